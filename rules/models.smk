# 2. Networks, imported or trained: weights and a description, alike from here on.

TRAINED = [name for name, entry in config["models"].items() if "training" in entry]


def training_files(wildcards):
    return image_files(config["models"][wildcards.model]["training"]["images"])


def validation_files(wildcards):
    validation = config["models"][wildcards.model]["training"].get("validation")
    return image_files(validation) if validation else []


def training_attack(wildcards):
    recipe = config["models"][wildcards.model]["training"]["recipe"]
    return config["attacks"][recipe["attack"]] if "attack" in recipe else None


def weights_path(wildcards):
    path = config["models"][wildcards.model]["weights"].get("path")
    return [expand_folders(path, config["folders"])] if path else []


rule train_network:
    """Network trained on an image set, with its loss and accuracy by epoch."""
    input:
        images=training_files,
        validation=validation_files,
    output:
        weights="<results>/models/{model}/weights.safetensors",
        description="<results>/models/{model}/model.json",
        epochs="<results>/models/{model}/training_log.parquet",
    log:
        "<results>/logs/train_network/{model}.log",
    wildcard_constraints:
        model=one_of(TRAINED),
    # One thread a network: two train side by side on two cores, faster than one on both, and the
    # weights do not depend on how many cores there are.
    threads: 1
    resources:
        gpu=1,
        mem_mb=4_000,
        runtime=1440,
    # The longest jobs begin first.
    priority: 10
    params:
        code=code_of("train_network", plugins_of_model, plugins_of_training),
        architecture=lookup("models/{model}/architecture", within=config),
        input_size=lookup("models/{model}/input_size", within=config, default=None),
        training=lookup("models/{model}/training", within=config),
        attack=training_attack,
    conda:
        "../envs/shapebias.yaml"
    script:
        "../scripts/train_network.py"


rule import_network:
    """Network with published weights."""
    input:
        weights=weights_path,
    output:
        weights="<results>/models/{model}/weights.safetensors",
        description="<results>/models/{model}/model.json",
    log:
        "<results>/logs/import_network/{model}.log",
    wildcard_constraints:
        model=one_of([name for name in MODELS if name not in TRAINED]),
    resources:
        mem_mb=4_000,
        runtime=30,
    params:
        code=code_of("import_network", plugins_of_model),
        architecture=lookup("models/{model}/architecture", within=config),
        input_size=lookup("models/{model}/input_size", within=config, default=None),
        classes=lookup("models/{model}/classes", within=config, default=None),
        weights=lookup("models/{model}/weights", within=config, default=None),
    conda:
        "../envs/shapebias.yaml"
    script:
        "../scripts/import_network.py"
