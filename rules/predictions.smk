# 3. Predictions of a network on an image set: one row for each image.


rule predict_images:
    """Classes that a network assigns to the images of a set."""
    input:
        images=lambda wildcards: image_files.image_files(study, wildcards.image_set),
        styles=lambda wildcards: image_files.if_unstored(
            study, image_files.style_files, wildcards.image_set
        ),
        segmenter=lambda wildcards: image_files.if_unstored(
            study, image_files.segmenter_files, wildcards.image_set
        ),
        files=lambda wildcards: image_files.if_unstored(
            study, image_files.transform_files, wildcards.image_set
        ),
        weights="<results>/models/{model}/weights.safetensors",
        description="<results>/models/{model}/model.json",
    output:
        predictions="<results>/predictions/{model}/{image_set}.parquet",
    log:
        "<results>/logs/predict_images/{model}-{image_set}.log",
    wildcard_constraints:
        image_set=one_of(set(study.images) - set(study.adversarial_sets)),
    conda:
        "../envs/shapebias.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=4_000,
        runtime=240,
    params:
        code=code_of(
            "predict_images",
            plugin_lists.model_plugins,
            plugin_lists.unstored_transform_plugins,
        ),
        architecture=lambda wildcards: network_files.architecture(
            study, wildcards.model
        ),
        content=lambda wildcards: file_content(
            image_files.if_unstored(
                study, image_files.transform_files, wildcards.image_set
            )
        ),
        transform=lambda wildcards: image_files.if_unstored(
            study, image_files.transform_settings, wildcards.image_set, otherwise=None
        ),
        entry_level=config["entry_level"],
    script:
        "../scripts/predict_images.py"


rule predict_adversarial_images:
    """Classes that a network assigns to images attacked along its own gradients; some of these."""
    input:
        images=lambda wildcards: image_files.image_files(study, wildcards.image_set),
        weights="<results>/models/{model}/weights.safetensors",
        description="<results>/models/{model}/model.json",
    output:
        predictions="<results>/predictions/{model}/{image_set}.parquet",
        examples="<results>/predictions/{model}/{image_set}-examples.parquet",
    log:
        "<results>/logs/predict_adversarial_images/{model}-{image_set}.log",
    wildcard_constraints:
        image_set=one_of(study.adversarial_sets),
    conda:
        "../envs/shapebias.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=4_000,
        runtime=480,
    params:
        code=code_of(
            "predict_adversarial_images",
            plugin_lists.model_plugins,
            plugin_lists.attack_plugins,
        ),
        architecture=lambda wildcards: network_files.architecture(
            study, wildcards.model
        ),
        attack=lambda wildcards: image_files.attack_settings(study, wildcards.image_set),
        entry_level=config["entry_level"],
        examples=config["report"]["examples"],
    script:
        "../scripts/predict_adversarial_images.py"
