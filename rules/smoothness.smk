# 5. Total variation of kernels and of activations; filters matched within pairs.


rule tabulate_kernel_tv:
    """Total variation of the kernels of every convolution of every network."""
    input:
        weights=expand(
            "<results>/models/{model}/weights.safetensors", model=study.models
        ),
        descriptions=expand("<results>/models/{model}/model.json", model=study.models),
    output:
        table="<results>/tables/kernel_tv.parquet",
        csv="<results>/tables/kernel_tv.csv",
    log:
        "<results>/logs/tabulate_kernel_tv.log",
    conda:
        "../envs/shapebias.yaml"
    params:
        code=code_of("tabulate_kernel_tv", plugin_lists.all_model_plugins),
        architectures={
            model: network_files.architecture(study, model) for model in study.models
        },
    script:
        "../scripts/tabulate_kernel_tv.py"


rule match_filters:
    """Filters of a pair's first convolutions that correlate most, with both kernels."""
    input:
        standard=lambda wildcards: network_files.weights_file(
            study.pairs[wildcards.pair]["standard"]
        ),
        standard_description=lambda wildcards: network_files.description_file(
            study.pairs[wildcards.pair]["standard"]
        ),
        robust=lambda wildcards: network_files.weights_file(
            study.pairs[wildcards.pair]["robust"]
        ),
        robust_description=lambda wildcards: network_files.description_file(
            study.pairs[wildcards.pair]["robust"]
        ),
    output:
        table="<results>/smoothness/filter_matches/{pair}.parquet",
        kernels="<results>/smoothness/first_kernels/{pair}.safetensors",
    log:
        "<results>/logs/match_filters/{pair}.log",
    conda:
        "../envs/shapebias.yaml"
    params:
        code=code_of("match_filters", plugin_lists.pair_plugins),
        # Snakemake compares inputs as a set: exchanged networks are noticed by their names.
        networks=lambda wildcards: study.pairs[wildcards.pair],
        architectures=lambda wildcards: {
            side: network_files.architecture(study, model)
            for side, model in study.pairs[wildcards.pair].items()
        },
    script:
        "../scripts/match_filters.py"


rule measure_activation_tv:
    """Total variation of every channel's activation maps on an image set."""
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
    script:
        "../scripts/measure_activation_tv.py"
