# 5. Total variation of kernels and of activations; filters matched within pairs.

NOISE_SETS = list(MEASURED.get("activation_tv", {}).values())


rule tabulate_kernel_tv:
    """Total variation of the kernels of every convolution of every network."""
    input:
        weights=expand("<results>/models/{model}/weights.safetensors", model=MODELS),
        descriptions=expand("<results>/models/{model}/model.json", model=MODELS),
    output:
        table="<results>/tables/kernel_tv.parquet",
        csv="<results>/tables/kernel_tv.csv",
    log:
        "<results>/logs/tabulate_kernel_tv.log",
    conda:
        "../envs/shapebias.yaml"
    params:
        code=code_of(
            "tabulate_kernel_tv",
            lambda wildcards: sorted(
                {
                    ("architectures", entry["architecture"]["kind"])
                    for entry in config["models"].values()
                }
            ),
        ),
        models=MODELS,
    script:
        "../scripts/tabulate_kernel_tv.py"


rule match_filters:
    """Filters of a pair's first convolutions that correlate best, with both kernels."""
    input:
        standard=lambda wildcards: weights_of(PAIRS[wildcards.pair]["standard"]),
        standard_description=lambda wildcards: description_of(
            PAIRS[wildcards.pair]["standard"]
        ),
        robust=lambda wildcards: weights_of(PAIRS[wildcards.pair]["robust"]),
        robust_description=lambda wildcards: description_of(
            PAIRS[wildcards.pair]["robust"]
        ),
    output:
        table="<results>/smoothness/filter_matches/{pair}.parquet",
        kernels="<results>/smoothness/first_kernels/{pair}.safetensors",
    log:
        "<results>/logs/match_filters/{pair}.log",
    conda:
        "../envs/shapebias.yaml"
    params:
        code=code_of(
            "match_filters",
            lambda wildcards: [
                ("architectures", config["models"][model]["architecture"]["kind"])
                for model in sorted(PAIRS[wildcards.pair].values())
            ],
        ),
    script:
        "../scripts/match_filters.py"


rule measure_activation_tv:
    """Total variation of every channel's activation maps on an image set."""
    input:
        images=lambda wildcards: image_files(wildcards.image_set),
        styles=lambda wildcards: unstored(style_files, wildcards),
        segmenter=lambda wildcards: unstored(segmenter_files, wildcards),
        files=lambda wildcards: unstored(transform_files, wildcards),
        weights="<results>/models/{model}/weights.safetensors",
        description="<results>/models/{model}/model.json",
    output:
        table="<results>/smoothness/activation_tv/{model}/{image_set}.parquet",
    log:
        "<results>/logs/measure_activation_tv/{model}-{image_set}.log",
    conda:
        "../envs/shapebias.yaml"
    threads: 1
    resources:
        gpu=1,
        mem_mb=4_000,
        runtime=240,
    params:
        code=code_of(
            "measure_activation_tv",
            plugins_of_model,
            lambda wildcards: unstored(plugins_of_transform, wildcards),
        ),
        content=content_of_files(lambda wildcards: unstored(transform_files, wildcards)),
        transform=lambda wildcards: unstored(transform_of, wildcards) or None,
    script:
        "../scripts/measure_activation_tv.py"
