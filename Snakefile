# shapebias: what robust networks look at, from image sets and networks to tables and a report.
# The rules files are in order: each reads only what those above it make.


include: "rules/common.smk"


# The folder of all files of the study; rules refer to it as `<results>`.
pathvars:
    results=f"results/{study.name}",


wildcard_constraints:
    image_set=r"[A-Za-z0-9][\w.-]*",
    model=r"[A-Za-z0-9][\w.-]*",
    part=r"\d+",


include: "rules/images.smk"
include: "rules/models.smk"
include: "rules/predictions.smk"
include: "rules/behaviour.smk"
include: "rules/smoothness.smk"
include: "rules/dissection.smk"
include: "rules/ablation.smk"
include: "rules/tables.smk"
include: "rules/report.smk"


rule all:
    """The report, and with it every figure and table of the study."""
    default_target: True
    input:
        report="<results>/report/report.html",
        tables=expand("<results>/tables/{table}.parquet", table=tables.tables(study)),
        large=expand(
            "<results>/tables/{table}/{model}.parquet",
            table=tables.large_table_parts(study),
            model=study.models,
        ),
        missing=lambda wildcards: report_files.missing_outputs(study),
    localrule: True
