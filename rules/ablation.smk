# 7. Effects of ablating channels and concepts.

ABLATION = study.measurement("ablation")
ABLATION_BY_CONCEPT = study.measurement("ablation_by_concept")


rule ablate_channels:
    """Conflict images that lose their shape or texture label when one channel is ablated."""
    input:
        images=lambda wildcards: image_files.image_files(study, ABLATION["images"]),
        weights="<results>/models/{model}/weights.safetensors",
        description="<results>/models/{model}/model.json",
    output:
        scores="<results>/ablation/{model}/scores-{part}.parquet",
        flips="<results>/ablation/{model}/flips-{part}.parquet",
    log:
        "<results>/logs/ablate_channels/{model}-{part}.log",
    conda:
        "../envs/shapebias.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=network_files.measurement_memory(study, "ablation"),
        runtime=480,
    params:
        code=code_of("ablate_channels", plugin_lists.model_plugins),
        architecture=lambda wildcards: network_files.architecture(
            study, wildcards.model
        ),
        entry_level=config["entry_level"],
        settings=without(ABLATION, "memory"),
    script:
        "../scripts/ablate_channels.py"


rule ablate_concepts:
    """Decisions and accuracy without all channels that detect a concept, and with only those."""
    input:
        images=lambda wildcards: image_files.image_files(
            study, ABLATION_BY_CONCEPT["images"]
        ),
        clean=lambda wildcards: image_files.image_files(
            study, ABLATION_BY_CONCEPT["clean"]
        ),
        dissection=lambda wildcards: network_files.stage_files(
            study,
            "dissection",
            "<results>/dissection/{model}/labels-{part}.parquet",
            wildcards.model,
        ),
        weights="<results>/models/{model}/weights.safetensors",
        description="<results>/models/{model}/model.json",
    output:
        table="<results>/ablation/{model}/concepts.parquet",
    log:
        "<results>/logs/ablate_concepts/{model}.log",
    conda:
        "../envs/shapebias.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=network_files.measurement_memory(study, "ablation_by_concept"),
        runtime=480,
    params:
        code=code_of("ablate_concepts", plugin_lists.model_plugins),
        architecture=lambda wildcards: network_files.architecture(
            study, wildcards.model
        ),
        entry_level=config["entry_level"],
        settings=without(ABLATION_BY_CONCEPT, "memory"),
    script:
        "../scripts/ablate_concepts.py"


rule tabulate_ablation_by_category:
    """Mean shape and texture scores of the channels of each category."""
    input:
        ablation="<results>/tables/ablation.parquet",
        dissection="<results>/tables/dissection.parquet",
    output:
        table="<results>/tables/ablation_by_category.parquet",
        csv="<results>/tables/ablation_by_category.csv",
    log:
        "<results>/logs/tabulate_ablation_by_category.log",
    conda:
        "../envs/shapebias.yaml"
    params:
        code=code_of("tabulate_ablation_by_category"),
    script:
        "../scripts/tabulate_ablation_by_category.py"
