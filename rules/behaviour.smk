# 4. Accuracy, the images that both networks of a pair label correctly, shape bias.

CLEAN = MEASURED.get("accuracy", {}).get("clean")
SCORED = [CLEAN, *MEASURED["accuracy"]["image_sets"]] if CLEAN else []
CONFLICTS = MEASURED.get("shape_bias", {}).get("image_sets", [])


rule select_correctly_labelled:
    """Images of the clean set that both networks of each pair label correctly."""
    input:
        standard=[predictions_of(pair["standard"], CLEAN) for pair in PAIRS.values()],
        robust=[predictions_of(pair["robust"], CLEAN) for pair in PAIRS.values()],
    output:
        table="<results>/tables/correctly_labelled.parquet",
        csv="<results>/tables/correctly_labelled.csv",
    log:
        "<results>/logs/select_correctly_labelled.log",
    conda:
        "../envs/shapebias.yaml"
    params:
        code=code_of("select_correctly_labelled"),
        pairs=list(PAIRS),
    script:
        "../scripts/select_correctly_labelled.py"


rule tabulate_accuracy:
    """Accuracy of every network on every set, over all images and over each pair's selection."""
    input:
        predictions=expand(
            "<results>/predictions/{model}/{image_set}.parquet",
            model=MODELS,
            image_set=SCORED,
        ),
        selections="<results>/tables/correctly_labelled.parquet",
    output:
        table="<results>/tables/accuracy.parquet",
        csv="<results>/tables/accuracy.csv",
    log:
        "<results>/logs/tabulate_accuracy.log",
    conda:
        "../envs/shapebias.yaml"
    params:
        code=code_of("tabulate_accuracy"),
        scored=[(model, image_set) for model in MODELS for image_set in SCORED],
        pairs=PAIRS,
        entry_level=config["entry_level"],
        entry_level_sets=MEASURED.get("accuracy", {}).get("entry_level_sets"),
    script:
        "../scripts/tabulate_accuracy.py"


rule tabulate_shape_bias:
    """Shape bias of every network on every cue-conflict set, by class and over all."""
    input:
        predictions=expand(
            "<results>/predictions/{model}/{image_set}.parquet",
            model=MODELS,
            image_set=CONFLICTS,
        ),
        images=[path for image_set in CONFLICTS for path in image_files(image_set)],
    output:
        table="<results>/tables/shape_bias.parquet",
        csv="<results>/tables/shape_bias.csv",
    log:
        "<results>/logs/tabulate_shape_bias.log",
    conda:
        "../envs/shapebias.yaml"
    params:
        code=code_of("tabulate_shape_bias"),
        scored=[(model, image_set) for model in MODELS for image_set in CONFLICTS],
        # Image set of each of the files above.
        shown=[name for name in CONFLICTS for _ in image_files(name)],
    script:
        "../scripts/tabulate_shape_bias.py"
