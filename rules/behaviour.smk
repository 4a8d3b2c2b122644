# 4. Accuracy, the images that both networks of a pair label correctly, shape bias.


rule select_correctly_labelled:
    """Images of the clean set that both networks of each pair label correctly."""
    input:
        standard=[
            network_files.prediction_file(pair["standard"], study.clean_set)
            for pair in study.pairs.values()
        ],
        robust=[
            network_files.prediction_file(pair["robust"], study.clean_set)
            for pair in study.pairs.values()
        ],
    output:
        table="<results>/tables/correctly_labelled.parquet",
        csv="<results>/tables/correctly_labelled.csv",
    log:
        "<results>/logs/select_correctly_labelled.log",
    conda:
        "../envs/shapebias.yaml"
    params:
        code=code_of("select_correctly_labelled"),
        pairs=list(study.pairs),
    script:
        "../scripts/select_correctly_labelled.py"


rule tabulate_accuracy:
    """Accuracy of every network on every set, over all images and over each pair's selection."""
    input:
        predictions=network_files.prediction_files(study, study.scored_sets),
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
        scored=[
            (model, image_set)
            for model in study.models
            for image_set in study.scored_sets
        ],
        pairs=study.pairs,
        entry_level=config["entry_level"],
        entry_level_sets=study.measurement("accuracy").get("entry_level_sets"),
    script:
        "../scripts/tabulate_accuracy.py"


rule tabulate_shape_bias:
    """Shape bias of every network on every cue-conflict set, by class and over all."""
    input:
        predictions=network_files.prediction_files(study, study.conflict_sets),
        images=[
            path
            for image_set in study.conflict_sets
            for path in image_files.image_files(study, image_set)
        ],
    output:
        table="<results>/tables/shape_bias.parquet",
        csv="<results>/tables/shape_bias.csv",
    log:
        "<results>/logs/tabulate_shape_bias.log",
    conda:
        "../envs/shapebias.yaml"
    params:
        code=code_of("tabulate_shape_bias"),
        scored=[
            (model, image_set)
            for model in study.models
            for image_set in study.conflict_sets
        ],
        # Image set of each of the files above.
        image_sets=[
            name
            for name in study.conflict_sets
            for _ in image_files.image_files(study, name)
        ],
    script:
        "../scripts/tabulate_shape_bias.py"


rule tabulate_differences:
    """Compare the networks of each pair in shape bias and accuracy on the same images."""
    input:
        predictions=[
            network_files.prediction_file(model, image_set)
            for model, image_set in study.paired_predictions
        ],
        images=[
            path
            for image_set in study.conflict_sets
            for path in image_files.image_files(study, image_set)
        ],
        selections=(
            ["<results>/tables/correctly_labelled.parquet"]
            if study.scored_sets
            else []
        ),
    output:
        table="<results>/tables/differences.parquet",
        csv="<results>/tables/differences.csv",
    log:
        "<results>/logs/tabulate_differences.log",
    conda:
        "../envs/shapebias.yaml"
    params:
        code=code_of("tabulate_differences"),
        # Network and image set of each of the predictions.
        predicted=study.paired_predictions,
        # Image set of each of the images' files.
        shown=[
            name
            for name in study.conflict_sets
            for _ in image_files.image_files(study, name)
        ],
        pairs=study.pairs,
        scored_sets=study.scored_sets,
        seed=config["seed"],
        entry_level=config["entry_level"],
        entry_level_sets=study.measurement("accuracy").get("entry_level_sets", []),
    script:
        "../scripts/tabulate_differences.py"
