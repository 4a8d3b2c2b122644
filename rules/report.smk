# 9. Figures, pages of channels, and the report.

# Networks with a page of the channels that matter most, and how many those are.
CHANNEL_PAGES = config["report"]["channels"] if ABLATION else 0
PAGED = MODELS if CHANNEL_PAGES else []

# Families of scored image sets that differ in the level of one setting.
LEVELS = curves(IMAGES, SCORED)
# Figure to the public tables that it draws; it is made where all of them are.
FIGURES = {
    "example_stimuli": [],
    "shape_bias": ["shape_bias"],
    "accuracy": ["accuracy"],
    **({"accuracy_by_level": ["accuracy"]} if LEVELS else {}),
    "kernel_tv": ["kernel_tv"],
    "matched_filters": ["filter_matches"],
    "activation_tv": ["activation_tv"],
    "detectors": ["detectors", *(["dissection_twins"] if TWINS else [])],
    "concept_differences": [
        "dissection",
        *(["dissection_twins"] if TWINS else []),
    ],
    "diversity": ["dissection", *(["dissection_twins"] if TWINS else [])],
    "ablation_by_category": ["ablation", "dissection"],
    "important_concepts": ["ablation_by_concept"],
    "training": ["training_log"],
}
DRAWN = [
    figure
    for figure, needs in FIGURES.items()
    if all(table in GATHERED + DERIVED for table in needs)
]
# Settings that a figure takes besides its tables and the pairs.
FIGURE_SETTINGS = {
    "accuracy": {"clean": CLEAN},
    "accuracy_by_level": {"clean": CLEAN, "curves": LEVELS},
    "activation_tv": dict(MEASURED.get("activation_tv", {})),
    "detectors": {"iou_cut": config["report"]["iou_cut"]},
    "concept_differences": {"iou_cut": config["report"]["iou_cut"]},
    "ablation_by_category": {"iou_cut": config["report"]["iou_cut"]},
    "important_concepts": {"iou_cut": ABLATION_BY_CONCEPT.get("iou_cut")},
}
# Figures that show pairs, or networks by name; all others tell the others apart by colour.
OF_PAIRS = ("example_stimuli", "matched_filters")
ALONE = [
    model
    for model in MODELS
    if not any(model in pair.values() for pair in PAIRS.values())
]
SHOWN = displayed_sets()


rule draw_figure:
    """One figure, as a picture and for print."""
    input:
        unpack(figure_inputs),
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
        figure=one_of(DRAWN),
    conda:
        "../envs/shapebias.yaml"
    params:
        code=code_of("draw_figure", plugins_of_figure),
        # Shown by the workflow engine's own report.
        caption=lambda wildcards: caption(wildcards.figure),
        tables=lambda wildcards: FIGURES[wildcards.figure],
        pairs=PAIRS,
        settings=lambda wildcards: FIGURE_SETTINGS.get(wildcards.figure, {})
        | ({} if wildcards.figure in OF_PAIRS else {"alone": ALONE}),
        stimuli=lambda wildcards: (
            stimuli() if wildcards.figure == "example_stimuli" else {}
        ),
    script:
        "../scripts/draw_figure.py"


rule write_channel_page:
    """One network's channels that matter most: what excites each, and what it decides."""
    input:
        unpack(channel_files),
        images=lambda wildcards: image_files(ABLATION["images"]),
        concepts=concept_files(DISSECTION["concepts"]) if DISSECTION else [],
        weights="<results>/models/{model}/weights.safetensors",
        description="<results>/models/{model}/model.json",
    output:
        page="<results>/report/channels/{model}.html",
    log:
        "<results>/logs/write_channel_page/{model}.log",
    wildcard_constraints:
        model=one_of(PAGED),
    conda:
        "../envs/shapebias.yaml"
    resources:
        mem_mb=4_000,
        runtime=60,
    params:
        code=code_of("write_channel_page", plugins_of_model),
        number=CHANNEL_PAGES,
    script:
        "../scripts/write_channel_page.py"


rule write_report:
    """The study on one page: set-up, findings, every figure and table."""
    input:
        models=expand("<results>/models/{model}/model.json", model=MODELS),
        tables=expand("<results>/tables/{table}.parquet", table=GATHERED + DERIVED),
        figures=expand("<results>/figures/{figure}.png", figure=DRAWN),
        channels=expand("<results>/report/channels/{model}.html", model=PAGED),
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
        study=study_in_the_report(),
        models=MODELS,
        tables=GATHERED + DERIVED,
        figures=DRAWN,
        channel_pages=CHANNEL_PAGES,
        # As texts, so that an edit counts and a copied checkout does not.
        introduction=caption("workflow"),
        captions={figure: caption(figure) for figure in DRAWN},
        table_captions={
            table: caption(f"table_{table}") for table in GATHERED + DERIVED
        },
    script:
        "../scripts/write_report.py"
