# 2. Networks, imported or trained. Both give weights and a description, used alike from here on.


rule train_network:
    """Network trained on an image set, with its loss and accuracy by epoch."""
    input:
        images=lambda wildcards: network_files.training_files(study, wildcards.model),
        validation=lambda wildcards: network_files.validation_files(
            study, wildcards.model
        ),
        start_weights=lambda wildcards: network_files.start_files(
            study, wildcards.model, network_files.weights_file
        ),
        start_descriptions=lambda wildcards: network_files.start_files(
            study, wildcards.model, network_files.description_file
        ),
    output:
        weights="<results>/models/{model}/weights.safetensors",
        description="<results>/models/{model}/model.json",
        log="<results>/models/{model}/training_log.parquet",
        # A file of its own, since it differs between runs and the log does not.
        speed="<results>/models/{model}/training_speed.parquet",
    log:
        "<results>/logs/train_network/{model}.log",
    wildcard_constraints:
        model=one_of(study.trained_models),
    # The longest jobs start first.
    priority: 10
    conda:
        "../envs/shapebias.yaml"
    # One thread for each network: on two cores, two trainings in parallel take less time than one
    # after the other on both, and the weights do not depend on the number of cores.
    threads: lambda wildcards: network_files.training_devices(study, wildcards.model)
    resources:
        gpu=lambda wildcards: network_files.training_devices(study, wildcards.model),
        mem_mb=lambda wildcards, attempt: network_files.training_memory(
            study, wildcards.model, attempt
        ),
        runtime=1440,
        # Resources and not params, as no result depends on them.
        save_every=lambda wildcards: network_files.epochs_between_saves(
            study, wildcards.model
        ),
        save_seconds=lambda wildcards: network_files.seconds_between_saves(
            study, wildcards.model
        ),
    params:
        code=code_of(
            "train_network", plugin_lists.model_plugins, plugin_lists.training_plugins
        ),
        architecture=lambda wildcards: network_files.architecture(
            study, wildcards.model
        ),
        # Snakemake compares inputs as a set: exchanged members are noticed by their names.
        starts=lambda wildcards: starts_of(study.models, wildcards.model),
        start_architectures=lambda wildcards: network_files.start_architectures(
            study, wildcards.model
        ),
        input_size=study.entry("models/{model}/input_size", optional=True),
        training=lambda wildcards: network_files.training_settings(
            study, wildcards.model
        ),
        attack=lambda wildcards: network_files.training_attack(study, wildcards.model),
    script:
        "../scripts/train_network.py"


rule import_network:
    """Network with published weights."""
    input:
        weights=lambda wildcards: network_files.weights_path(study, wildcards.model),
    output:
        weights="<results>/models/{model}/weights.safetensors",
        description="<results>/models/{model}/model.json",
    log:
        "<results>/logs/import_network/{model}.log",
    wildcard_constraints:
        model=one_of(set(study.models) - set(study.trained_models)),
    conda:
        "../envs/shapebias.yaml"
    resources:
        mem_mb=4_000,
        runtime=30,
    params:
        code=code_of(
            "import_network", plugin_lists.model_plugins, plugin_lists.weights_plugins
        ),
        content=lambda wildcards: file_content(
            network_files.weights_path(study, wildcards.model)
        ),
        architecture=study.entry("models/{model}/architecture"),
        input_size=study.entry("models/{model}/input_size", optional=True),
        classes=study.entry("models/{model}/classes", optional=True),
        weights=study.entry("models/{model}/weights", optional=True),
    script:
        "../scripts/import_network.py"
