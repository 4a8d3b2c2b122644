# What figures, pages of channels and the report are made from.


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


def intermediates():
    """Files that stand between the sources and the tables, figures and report."""
    networks = ["weights.safetensors", "model.json"]
    return [
        map(image_files, SOURCES + STORED),
        map(concept_files, config["concepts"]),
        expand(
            "<results>/segmenters/{name}/segmenter.safetensors",
            name=config["segmenters"],
        ),
        expand("<results>/models/{model}/{file}", model=MODELS, file=networks),
        expand(
            "<results>/predictions/{model}/{image_set}.parquet",
            model=MODELS,
            image_set=dict.fromkeys(SCORED + CONFLICTS),
        ),
        adversarial_examples().values(),
        STAGES.values(),
        LARGE_STAGES.values(),
        expand("<results>/smoothness/first_kernels/{pair}.safetensors", pair=PAIRS),
        expand("<results>/report/channels/{model}.html", model=PAGED),
        expand("<results>/figures/{figure}.{kind}", figure=DRAWN, kind=["png", "pdf"]),
    ]


def study_in_the_report():
    """The study without the settings on which no result depends."""
    trained = {
        name: one | {"training": without(one["training"], *SAVINGS)}
        for name, one in config["models"].items()
        if "training" in one
    }
    measurements = {
        name: without(settings, "memory") for name, settings in MEASURED.items()
    }
    return config | {
        "models": config["models"] | trained,
        "measurements": measurements,
    }
