# 6. What every channel of every named layer detects.

DISSECTION = MEASURED.get("dissection", {})


rule dissect_channels:
    """Thresholds, overlaps with every concept, and labels of a network's channels."""
    input:
        concepts=lambda wildcards: concept_files(DISSECTION["concepts"]),
        weights="<results>/models/{model}/weights.safetensors",
        description="<results>/models/{model}/model.json",
    output:
        labels="<results>/dissection/{model}/labels-{part}.parquet",
        overlaps="<results>/dissection/{model}/overlaps-{part}.parquet",
    log:
        "<results>/logs/dissect_channels/{model}-{part}.log",
    conda:
        "../envs/shapebias.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=4_000,
        runtime=480,
    params:
        code=code_of("dissect_channels", plugins_of_model),
        settings=DISSECTION,
    script:
        "../scripts/dissect_channels.py"


rule tabulate_detectors:
    """Channels by the category of their label, by layer and cut of the IoU."""
    input:
        dissection="<results>/tables/dissection.parquet",
        concepts=concept_files(DISSECTION["concepts"]) if DISSECTION else [],
    output:
        table="<results>/tables/detectors.parquet",
        csv="<results>/tables/detectors.csv",
    log:
        "<results>/logs/tabulate_detectors.log",
    conda:
        "../envs/shapebias.yaml"
    params:
        code=code_of("tabulate_detectors"),
    script:
        "../scripts/tabulate_detectors.py"
