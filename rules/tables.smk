# 8. Public tables gathered from the stages.

# Public table to the stage's files that it is made of.
STAGES = {
    "training_log": expand(
        "<results>/models/{model}/training_log.parquet", model=TRAINED
    ),
    "filter_matches": measured(
        "filter_matches",
        expand("<results>/smoothness/filter_matches/{pair}.parquet", pair=PAIRS),
    ),
    "activation_tv": measured(
        "activation_tv",
        expand(
            "<results>/smoothness/activation_tv/{model}/{image_set}.parquet",
            model=MODELS,
            image_set=NOISE_SETS,
        ),
    ),
    "dissection": stage_files(
        "dissection", "<results>/dissection/{model}/labels-{part}.parquet"
    ),
    "dissection_sweep": (
        stage_files("dissection", "<results>/dissection/{model}/sweep-{part}.parquet")
        if DISSECTION.get("sweep")
        else []
    ),
    "dissection_twins": [
        file
        for twin in TWINS
        for file in stage_files(
            "dissection", f"<results>/dissection/{{model}}/{twin}-{{part}}.parquet"
        )
    ],
    "ablation": stage_files(
        "ablation", "<results>/ablation/{model}/scores-{part}.parquet"
    ),
    "ablation_by_concept": measured(
        "ablation_by_concept",
        expand("<results>/ablation/{model}/concepts.parquet", model=MODELS),
    ),
}
# Too large for one file: a file a network, in a folder of the table's name.
LARGE_STAGES = {
    "dissection_iou": stage_files(
        "dissection", "<results>/dissection/{model}/overlaps-{part}.parquet"
    ),
    "top_images": stage_files(
        "dissection", "<results>/dissection/{model}/top_images-{part}.parquet"
    ),
    "ablation_flips": stage_files(
        "ablation", "<results>/ablation/{model}/flips-{part}.parquet"
    ),
}
GATHERED = [table for table, files in STAGES.items() if files]
LARGE = [table for table, files in LARGE_STAGES.items() if files]
DERIVED = [
    "rejected",
    *(["correctly_labelled", "accuracy"] if CLEAN else []),
    *(["kernel_tv"] if "kernel_tv" in MEASURED else []),
    *(["shape_bias"] if CONFLICTS else []),
    *(["detectors", "detectors_by_vote"] if DISSECTION else []),
    *(["ablation_by_category"] if ABLATION and DISSECTION else []),
]


rule concatenate_table:
    """One public table from the files of a stage."""
    input:
        parts=lambda wildcards: STAGES[wildcards.table],
    output:
        table="<results>/tables/{table}.parquet",
        csv="<results>/tables/{table}.csv",
    log:
        "<results>/logs/concatenate_table/{table}.log",
    wildcard_constraints:
        table=one_of(GATHERED),
    conda:
        "../envs/shapebias.yaml"
    resources:
        mem_mb=4_000,
    params:
        code=code_of("concatenate_table"),
    script:
        "../scripts/concatenate_table.py"


rule concatenate_tables_by_model:
    """One large public table, a file a network, a row group a layer."""
    input:
        parts=lambda wildcards: LARGE_STAGES[wildcards.table],
    output:
        tables=expand("<results>/tables/{{table}}/{model}.parquet", model=MODELS),
    log:
        "<results>/logs/concatenate_tables_by_model/{table}.log",
    wildcard_constraints:
        table=one_of(LARGE),
    conda:
        "../envs/shapebias.yaml"
    resources:
        mem_mb=16_000,
    params:
        code=code_of("concatenate_tables_by_model"),
    script:
        "../scripts/concatenate_tables_by_model.py"
