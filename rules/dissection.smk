# 6. What every channel of every named layer detects.

# Settings of the dissection of a network and of its randomised controls.
DISSECTION = without(study.measurement("dissection"), "controls", "memory")


rule dissect_channels:
    """Thresholds, overlaps with every concept, labels, and top images of a network's channels."""
    input:
        concepts=image_files.dissected_concept_files(study),
        weights="<results>/models/{model}/weights.safetensors",
        description="<results>/models/{model}/model.json",
    output:
        labels="<results>/dissection/{model}/labels-{part}.parquet",
        overlaps="<results>/dissection/{model}/overlaps-{part}.parquet",
        top_images="<results>/dissection/{model}/top_images-{part}.parquet",
        sweep="<results>/dissection/{model}/sweep-{part}.parquet",
    log:
        "<results>/logs/dissect_channels/{model}-{part}.log",
    conda:
        "../envs/shapebias.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=network_files.measurement_memory(study, "dissection"),
        runtime=480,
    params:
        code=code_of("dissect_channels", plugin_lists.model_plugins),
        architecture=lambda wildcards: network_files.architecture(
            study, wildcards.model
        ),
        settings=DISSECTION,
    script:
        "../scripts/dissect_channels.py"


rule dissect_randomised_networks:
    """Labels of a network's channels after its weights were randomised: the chance level."""
    input:
        concepts=image_files.dissected_concept_files(study),
        weights="<results>/models/{model}/weights.safetensors",
        description="<results>/models/{model}/model.json",
    output:
        labels="<results>/dissection/{model}/{control}-{part}.parquet",
    log:
        "<results>/logs/dissect_randomised_networks/{model}-{control}-{part}.log",
    wildcard_constraints:
        control=one_of(study.controls),
    conda:
        "../envs/shapebias.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=network_files.measurement_memory(study, "dissection"),
        runtime=480,
    params:
        code=code_of("dissect_randomised_networks", plugin_lists.model_plugins),
        architecture=lambda wildcards: network_files.architecture(
            study, wildcards.model
        ),
        seed=config["seed"],
        # Only the labels are stored.
        settings={**DISSECTION, "sweep": [], "top_images": 1},
    script:
        "../scripts/dissect_randomised_networks.py"


rule tabulate_detectors:
    """Channels by category, layer and IoU cut: by their label, and by one concept per category."""
    input:
        dissection="<results>/tables/dissection.parquet",
        overlaps=expand(
            "<results>/tables/dissection_iou/{model}.parquet", model=study.models
        ),
        concepts=image_files.dissected_concept_files(study),
    output:
        table="<results>/tables/detectors.parquet",
        csv="<results>/tables/detectors.csv",
        votes="<results>/tables/detectors_by_vote.parquet",
        votes_csv="<results>/tables/detectors_by_vote.csv",
    log:
        "<results>/logs/tabulate_detectors.log",
    conda:
        "../envs/shapebias.yaml"
    resources:
        mem_mb=8_000,
    params:
        code=code_of("tabulate_detectors"),
    script:
        "../scripts/tabulate_detectors.py"
