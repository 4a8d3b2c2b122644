# 3. A network on an image set: one row an image.


rule predict_images:
    """Classes that a network gives the images of a set."""
    input:
        images=lambda wildcards: image_files(wildcards.image_set),
        styles=lambda wildcards: unstored(style_files, wildcards),
        segmenter=lambda wildcards: unstored(segmenter_files, wildcards),
        files=lambda wildcards: unstored(transform_files, wildcards),
        weights="<results>/models/{model}/weights.safetensors",
        description="<results>/models/{model}/model.json",
    output:
        predictions="<results>/predictions/{model}/{image_set}.parquet",
    log:
        "<results>/logs/predict_images/{model}-{image_set}.log",
    wildcard_constraints:
        image_set=one_of([name for name in IMAGES if name not in ADVERSARIAL]),
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
            plugins_of_model,
            lambda wildcards: unstored(plugins_of_transform, wildcards),
        ),
        content=content_of_files(lambda wildcards: unstored(transform_files, wildcards)),
        transform=lambda wildcards: unstored(transform_of, wildcards) or None,
        entry_level=config["entry_level"],
    script:
        "../scripts/predict_images.py"


rule predict_adversarial_images:
    """Classes that a network gives images changed along its own gradients, and a few of those."""
    input:
        images=lambda wildcards: image_files(wildcards.image_set),
        weights="<results>/models/{model}/weights.safetensors",
        description="<results>/models/{model}/model.json",
    output:
        predictions="<results>/predictions/{model}/{image_set}.parquet",
        examples="<results>/predictions/{model}/{image_set}-examples.parquet",
    log:
        "<results>/logs/predict_adversarial_images/{model}-{image_set}.log",
    wildcard_constraints:
        image_set=one_of(ADVERSARIAL),
    conda:
        "../envs/shapebias.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=4_000,
        runtime=480,
    params:
        code=code_of("predict_adversarial_images", plugins_of_model, plugins_of_attack),
        attack=attack_settings,
        entry_level=config["entry_level"],
        examples=config["report"]["examples"],
    script:
        "../scripts/predict_adversarial_images.py"
