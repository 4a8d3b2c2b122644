# Which files a job reads, by the names in the study.


def stored_as(image_set):
    """Image set whose files hold the images: its own, or its source's where none are stored."""
    unstored = image_set in [*UNSTORED, *ADVERSARIAL]
    return stored_as(IMAGES[image_set]["from"]) if unstored else image_set


def number_of_parts(image_set):
    entry = IMAGES[image_set]
    return number_of_parts(entry["from"]) if "from" in entry else entry["parts"]


def image_files(image_set):
    """Files that hold an image set, or the set that it is made from while predicting."""
    return [
        f"<results>/images/{stored_as(image_set)}/part-{part}.parquet"
        for part in range(number_of_parts(image_set))
    ]


def concept_files(concept_set):
    parts = config["concepts"][concept_set]["parts"]
    return [
        f"<results>/concepts/{concept_set}/part-{part}.parquet" for part in range(parts)
    ]


def style_files(wildcards):
    styles = IMAGES[wildcards.image_set].get("transform", {}).get("styles")
    return image_files(styles) if styles else []


def segmenter_files(wildcards):
    segmenter = IMAGES[wildcards.image_set].get("transform", {}).get("segmenter")
    return (
        [f"<results>/segmenters/{segmenter}/segmenter.safetensors"] if segmenter else []
    )


def segmenter_settings(wildcards):
    entry = config["segmenters"][wildcards.segmenter]
    return plugin_settings(config, "segmenters", entry)


def transform_files(wildcards):
    """Files that a transform's plug-ins read: weights and pictures from elsewhere."""
    transform = transform_of(wildcards)
    holders = [("transforms", transform)]
    holders += [(NESTED[key], transform[key]) for key in NESTED if key in transform]
    return [
        settings[key]
        for family, settings in holders
        for key in paths_among(family, settings)
    ]


def attack_settings(wildcards):
    return config["attacks"][IMAGES[wildcards.image_set]["attack"]]


def measured(measurement, files):
    """The files of a measurement where the study makes it, else none."""
    return files if measurement in MEASURED else []


def stage_files(measurement, pattern, models=MODELS):
    """A measurement's files of networks and parts, network by network."""
    settings = MEASURED.get(measurement, {"parts": 0, "layer_groups": 0})
    parts = settings["parts"] * settings["layer_groups"]
    return expand(pattern, model=models, part=range(parts))


def lacking(named):
    """Those of a study's files that were made before and are gone.

    A job that failed has lost what it was to make anew. The engine does not miss a file as long as
    there is what was once made from it, and would take that for finished.
    """
    paths = [
        path.replace("<results>", f"results/{config['name']}") for path in flat(named)
    ]
    return [path for path in paths if recorded(path) and not Path(path).exists()]


def flat(files):
    """One list of paths of what holds lists of them, or paths."""
    if isinstance(files, str):
        return [files]
    return [path for some in files for path in flat(some)]


def displayed_sets():
    """Image sets of the figure of stimuli, the clean one first, then those that are scored."""
    accuracy = MEASURED.get("accuracy", {"clean": None, "image_sets": []})
    bias = MEASURED.get("shape_bias", {"image_sets": []})
    names = [accuracy["clean"], *accuracy["image_sets"], *bias["image_sets"]]
    # A set that needs styles or a segmenter is shown where its images are stored.
    return [
        name
        for name in dict.fromkeys(names)
        if name
        and not (
            name in UNSTORED
            and {"styles", "segmenter"} & IMAGES[name]["transform"].keys()
        )
    ]


def adversarial_examples():
    """Heading and file of the adversarial images shown: those of the first pair's networks."""
    pair = next(iter(PAIRS.values()), {"standard": MODELS[0]})
    return {
        f"{name} ({model})": f"<results>/predictions/{model}/{name}-examples.parquet"
        for name in SHOWN
        if name in ADVERSARIAL
        for model in pair.values()
    }


def figure_inputs(wildcards):
    """Files that a figure is drawn from: tables, kernels, or images."""
    files = {
        "tables": [
            f"<results>/tables/{table}.parquet" for table in FIGURES[wildcards.figure]
        ]
    }
    if wildcards.figure == "matched_filters":
        files["kernels"] = [
            f"<results>/smoothness/first_kernels/{p}.safetensors" for p in PAIRS
        ]
    if wildcards.figure == "example_stimuli":
        files["images"] = [
            image_files(name)[0] for name in SHOWN if name not in ADVERSARIAL
        ]
        files["adversarial"] = list(adversarial_examples().values())
    return files


def channel_files(wildcards):
    """What was found of one network's channels, part by part."""
    stages = {
        "scores": ("ablation", "scores"),
        "flips": ("ablation", "flips"),
        "labels": ("dissection", "labels"),
        "top": ("dissection", "top_images"),
    }
    return {
        name: stage_files(
            stage,
            f"<results>/{stage}/{{model}}/{file}-{{part}}.parquet",
            wildcards.model,
        )
        for name, (stage, file) in stages.items()
        if stage in MEASURED
    }


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


def memory_of(measurement):
    """Function that gives the megabytes of a measurement's jobs, more at each attempt."""

    def megabytes(wildcards, attempt):
        return int(1_000 * MEASURED[measurement]["memory"] * attempt)

    return megabytes


def without(settings, *keys):
    """Settings but for some, such as those on which no result depends."""
    return {key: value for key, value in settings.items() if key not in keys}


def training_attack(wildcards):
    recipe = config["models"][wildcards.model]["training"]["recipe"]
    return config["attacks"][recipe["attack"]] if "attack" in recipe else None


def weights_path(wildcards):
    path = config["models"][wildcards.model]["weights"].get("path")
    return expand_folders(path, config["folders"]) if path else []


def segmenter_weights(wildcards):
    path = config["segmenters"][wildcards.segmenter]["weights"]["path"]
    return expand_folders(path, config["folders"])


def transform_of(wildcards):
    return transform_settings(wildcards.image_set)


def transform_settings(image_set):
    """Settings of an image set's transform and of the plug-ins in it, with paths written out."""
    entry = IMAGES[image_set]["transform"]
    nested = {
        key: plugin_settings(config, NESTED[key], entry[key])
        for key in NESTED
        if key in entry
    }
    return plugin_settings(config, "transforms", entry) | nested


def unstored(found_by, wildcards):
    """What a function finds for an image set that is made while predicting; else nothing."""
    return found_by(wildcards) if wildcards.image_set in UNSTORED else []


def predictions_of(model, image_set):
    return f"<results>/predictions/{model}/{image_set}.parquet"


def weights_of(model):
    return f"<results>/models/{model}/weights.safetensors"


def description_of(model):
    return f"<results>/models/{model}/model.json"


def caption(name):
    """Text of a file in `report`."""
    return Path(workflow.basedir, "report", f"{name}.rst").read_text(encoding="utf-8")


def stimuli():
    """What the figure of example stimuli shows."""
    return {
        "n": config["report"]["examples"],
        "seed": config["seed"],
        "sets": [
            (name, transform_settings(name) if name in UNSTORED else None)
            for name in SHOWN
            if name not in ADVERSARIAL
        ],
        "adversarial": list(adversarial_examples()),
    }
