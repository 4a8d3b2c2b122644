# What a job's fingerprint counts besides its code: plug-ins that it uses, and files from elsewhere.


def plugins_of_source(wildcards):
    return [("datasets", IMAGES[wildcards.image_set]["kind"])]


def plugins_of_transform(wildcards):
    transform = IMAGES[wildcards.image_set].get("transform")
    if not transform:
        return []
    found = [("transforms", transform["kind"])]
    found += [
        (family, transform[key]["kind"])
        for key, family in NESTED.items()
        if key in transform
    ]
    if "segmenter" in transform:
        found.append(
            ("segmenters", config["segmenters"][transform["segmenter"]]["kind"])
        )
        found.append(("shapebias", "stimuli.segmenter"))
    return found


def plugins_of_segmenter(wildcards):
    return [("segmenters", config["segmenters"][wildcards.segmenter]["kind"])]


def plugins_of_attack(wildcards):
    return [
        ("attacks", config["attacks"][IMAGES[wildcards.image_set]["attack"]]["kind"])
    ]


def plugins_of_model(wildcards):
    return plugins_of_network(config["models"], wildcards.model)


def plugins_of_weights(wildcards):
    entry = config["models"][wildcards.model]
    may_be_known = entry["architecture"]["kind"] in LISTED
    return [("shapebias", "weights.torchvision_weights")] if may_be_known else []


def plugins_of_training(wildcards):
    recipe = config["models"][wildcards.model]["training"]["recipe"]
    found = [("recipes", recipe["kind"])]
    if "attack" in recipe:
        found.append(("attacks", config["attacks"][recipe["attack"]]["kind"]))
    return found


def plugins_of_figure(wildcards):
    shows_images = wildcards.figure == "example_stimuli"
    return [("figures", wildcards.figure)] + (
        [("shapebias", "stimuli.examples")] if shows_images else []
    )


def source_settings(entry):
    """Settings of a source's plug-in, with the study's seed where it takes one."""
    settings = plugin_settings(config, "datasets", entry)
    if "seed" in settings_of("datasets", entry["kind"]):
        settings.setdefault("seed", config["seed"])
    return settings


def content_of_folder(entry):
    """Digests of the folders that a source reads; none where the workflow brings or makes them."""
    settings = source_settings(entry)
    return [
        listing(settings[key])
        for key in paths_among("datasets", settings)
        if not downloads_among(entry[key], config["folders"])
    ]


def content_of_files(files):
    """Digests of the files that a job reads from elsewhere, from the function that names them.

    The engine overlooks another content that has an older time.
    """

    def content(wildcards):
        named = files(wildcards)
        paths = [named] if isinstance(named, str) else named
        return [listing(path) for path in paths if record_path(path) is None]

    return content


def downloads_of(entry):
    """Notes on the downloads that a source reads."""
    return [
        f"{folder}/content.json"
        for key in paths_among("datasets", entry)
        for folder in downloads_among(entry[key], config["folders"])
    ]
