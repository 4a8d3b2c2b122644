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


def memory_of(measurement):
    """Function that gives the megabytes of a measurement's jobs, more at each attempt."""

    def megabytes(wildcards, attempt):
        return int(1_000 * MEASURED[measurement]["memory"] * attempt)

    return megabytes


def without(settings, *keys):
    """Settings but for some, such as those on which no result depends."""
    return {key: value for key, value in settings.items() if key not in keys}


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
