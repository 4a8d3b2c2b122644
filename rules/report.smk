# 9. Figures, pages of the most important channels, and the report.

FIGURES = report_files.figure_tables(study)
TABLES = tables.tables(study)


rule draw_figure:
    """One figure, as PNG and as PDF."""
    input:
        unpack(lambda wildcards: report_files.figure_files(study, wildcards.figure)),
    output:
        png=report(
            "<results>/figures/{figure}.png",
            caption="../report/templates/figure.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        pdf="<results>/figures/{figure}.pdf",
    log:
        "<results>/logs/draw_figure/{figure}.log",
    wildcard_constraints:
        figure=one_of(FIGURES),
    conda:
        "../envs/shapebias.yaml"
    params:
        code=code_of("draw_figure", plugin_lists.figure_plugins),
        # Shown in Snakemake's own report.
        caption=lambda wildcards: report_files.caption(wildcards.figure),
        tables=lambda wildcards: FIGURES[wildcards.figure],
        pairs=study.pairs,
        settings=lambda wildcards: report_files.figure_settings(study, wildcards.figure),
        stimuli=lambda wildcards: (
            report_files.stimuli(study)
            if wildcards.figure == "example_stimuli"
            else {}
        ),
    script:
        "../scripts/draw_figure.py"


rule write_channel_page:
    """One network's most important channels: top images, and images that change without them."""
    input:
        unpack(lambda wildcards: report_files.channel_files(study, wildcards.model)),
        images=lambda wildcards: image_files.image_files(study, ABLATION["images"]),
        concepts=image_files.dissected_concept_files(study),
        weights="<results>/models/{model}/weights.safetensors",
        description="<results>/models/{model}/model.json",
    output:
        page="<results>/report/channels/{model}.html",
    log:
        "<results>/logs/write_channel_page/{model}.log",
    wildcard_constraints:
        model=one_of(study.models_with_pages),
    conda:
        "../envs/shapebias.yaml"
    resources:
        mem_mb=4_000,
        runtime=60,
    params:
        code=code_of("write_channel_page", plugin_lists.model_plugins),
        architecture=lambda wildcards: network_files.architecture(
            study, wildcards.model
        ),
        number=study.n_channel_pages,
    script:
        "../scripts/write_channel_page.py"


rule tabulate_findings:
    """Answer the questions of the report from the tables, with a verdict each."""
    input:
        tables=expand(
            "<results>/tables/{table}.parquet", table=tables.tables_of_findings(study)
        ),
    output:
        table="<results>/tables/findings.parquet",
        csv="<results>/tables/findings.csv",
    log:
        "<results>/logs/tabulate_findings.log",
    conda:
        "../envs/shapebias.yaml"
    params:
        code=code_of("tabulate_findings"),
        tables=tables.tables_of_findings(study),
        settings=report_files.findings_settings(study),
    script:
        "../scripts/tabulate_findings.py"


rule write_report:
    """Write the report: set-up, findings, every figure and table."""
    input:
        models=expand("<results>/models/{model}/model.json", model=study.models),
        tables=expand("<results>/tables/{table}.parquet", table=TABLES),
        figures=expand("<results>/figures/{figure}.png", figure=FIGURES),
        channels=expand(
            "<results>/report/channels/{model}.html", model=study.models_with_pages
        ),
    output:
        report=report(
            "<results>/report/report.html",
            caption="../report/workflow.rst",
            category="Report",
        ),
    log:
        "<results>/logs/write_report.log",
    conda:
        "../envs/shapebias.yaml"
    params:
        code=code_of("write_report"),
        study=report_files.reported_study(study),
        models=list(study.models),
        tables=TABLES,
        figures=list(FIGURES),
        channel_pages=study.n_channel_pages,
        # Texts and not files, so that only their content counts, not their times.
        introduction=report_files.caption("workflow"),
        captions={figure: report_files.caption(figure) for figure in FIGURES},
        table_captions={
            table: report_files.caption(f"table_{table}") for table in TABLES
        },
    script:
        "../scripts/write_report.py"
