# 2. Networks, imported or trained: weights and a description, alike from here on.

TRAINED = [name for name, entry in config["models"].items() if "training" in entry]


rule train_network:
    """Network trained on an image set, with its loss and accuracy by epoch."""
    input:
        images=training_files,
        validation=validation_files,
        starts=start_files,
    output:
        weights="<results>/models/{model}/weights.safetensors",
        description="<results>/models/{model}/model.json",
        log="<results>/models/{model}/training_log.parquet",
        # Apart from the log, as it is never the same twice.
        speed="<results>/models/{model}/training_speed.parquet",
    log:
        "<results>/logs/train_network/{model}.log",
    wildcard_constraints:
        model=one_of(TRAINED),
    # The longest jobs begin first.
    priority: 10
    conda:
        "../envs/shapebias.yaml"
    # One thread a network: two train side by side on two cores, faster than one on both, and the
    # weights do not depend on how many cores there are.
    threads: training_devices
    resources:
        gpu=training_devices,
        mem_mb=training_memory,
        runtime=1440,
        # Among resources, as no result follows from them.
        save_every=epochs_between_savings,
        save_seconds=seconds_between_savings,
    params:
        code=code_of("train_network", plugins_of_model, plugins_of_training),
        architecture=architecture_of,
        input_size=entry("models/{model}/input_size", optional=True),
        training=training_settings,
        attack=training_attack,
    script:
        "../scripts/train_network.py"


rule import_network:
    """Network with published weights."""
    input:
        weights=weights_path,
    output:
        weights="<results>/models/{model}/weights.safetensors",
        description="<results>/models/{model}/model.json",
    log:
        "<results>/logs/import_network/{model}.log",
    wildcard_constraints:
        model=one_of([name for name in MODELS if name not in TRAINED]),
    conda:
        "../envs/shapebias.yaml"
    resources:
        mem_mb=4_000,
        runtime=30,
    params:
        code=code_of("import_network", plugins_of_model, plugins_of_weights),
        content=content_of_files(weights_path),
        architecture=entry("models/{model}/architecture"),
        input_size=entry("models/{model}/input_size", optional=True),
        classes=entry("models/{model}/classes", optional=True),
        weights=entry("models/{model}/weights", optional=True),
    script:
        "../scripts/import_network.py"
