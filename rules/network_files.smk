# Which files and settings the jobs of a network take, by the names in the study.

# When a training is saved on its way, which changes nothing in what comes out.
SAVINGS = ("save_every", "save_minutes")


def training_files(wildcards):
    return image_files(config["models"][wildcards.model]["training"]["images"])


def validation_files(wildcards):
    validation = config["models"][wildcards.model]["training"].get("validation")
    return image_files(validation) if validation else []


def start_files(wildcards):
    """Weights and description of each network that a training starts from."""
    return [
        file(name)
        for name in starts_of(config["models"], wildcards.model)
        for file in (weights_of, description_of)
    ]


def architecture_of(wildcards):
    """Settings of a network's architecture; an ensemble's with those of its members."""
    return whole_architecture(config["models"], wildcards.model)


def training_devices(wildcards):
    return config["models"][wildcards.model]["training"]["devices"]


def training_memory(wildcards, attempt):
    """Megabytes of a training, by those of its images; more at each attempt."""
    training = config["models"][wildcards.model]["training"]
    return int((3_000 + 1_000 * training["memory"] * training["devices"]) * attempt)


def training_settings(wildcards):
    """What a trained network follows from."""
    return without(config["models"][wildcards.model]["training"], *SAVINGS)


def epochs_between_savings(wildcards):
    return config["models"][wildcards.model]["training"]["save_every"]


def seconds_between_savings(wildcards):
    return round(60 * config["models"][wildcards.model]["training"]["save_minutes"])


def training_attack(wildcards):
    recipe = config["models"][wildcards.model]["training"]["recipe"]
    return config["attacks"][recipe["attack"]] if "attack" in recipe else None


def weights_path(wildcards):
    path = config["models"][wildcards.model]["weights"].get("path")
    return expand_folders(path, config["folders"]) if path else []


def predictions_of(model, image_set):
    return f"<results>/predictions/{model}/{image_set}.parquet"


def weights_of(model):
    return f"<results>/models/{model}/weights.safetensors"


def description_of(model):
    return f"<results>/models/{model}/model.json"
