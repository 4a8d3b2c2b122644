"""Public tables of a study, and the files that each is concatenated from."""

from snakemake.io import expand

from planning.jobs.network_files import stage_files
from planning.jobs.study import Study

# Tables that are too large for one file, with their measurement and the name of its files. They are
# folders with one file for each network.
LARGE_TABLES = {
    "dissection_iou": ("dissection", "overlaps"),
    "top_images": ("dissection", "top_images"),
    "ablation_flips": ("ablation", "flips"),
}

FINDINGS = (
    "accuracy",
    "shape_bias",
    "differences",
    "kernel_tv",
    "filter_matches",
    "activation_tv",
    "dissection",
    "dissection_controls",
    "ablation",
)


def table_parts(study: Study) -> dict[str, list[str]]:
    """Return the files that each table is concatenated from, for tables that the study makes."""
    dissection = study.measurement("dissection")
    parts = {
        "training_log": expand(
            "<results>/models/{model}/training_log.parquet", model=study.trained_models
        ),
        "filter_matches": _measured(
            study,
            "filter_matches",
            expand("<results>/smoothness/filter_matches/{pair}.parquet", pair=study.pairs),
        ),
        "activation_tv": expand(
            "<results>/smoothness/activation_tv/{model}/{image_set}.parquet",
            model=study.models,
            image_set=study.noise_sets,
        ),
        "dissection": _dissection_files(study, "labels"),
        "dissection_sweep": _dissection_files(study, "sweep") if dissection.get("sweep") else [],
        "dissection_controls": [
            file for control in study.controls for file in _dissection_files(study, control)
        ],
        "ablation": stage_files(
            study, "ablation", "<results>/ablation/{model}/scores-{part}.parquet"
        ),
        "ablation_by_concept": _measured(
            study,
            "ablation_by_concept",
            expand("<results>/ablation/{model}/concepts.parquet", model=study.models),
        ),
    }
    return {table: files for table, files in parts.items() if files}


def large_table_parts(study: Study) -> dict[str, list[str]]:
    """Return the files that each large table is made from, for tables that the study makes."""
    parts = {
        table: stage_files(study, stage, f"<results>/{stage}/{{model}}/{name}-{{part}}.parquet")
        for table, (stage, name) in LARGE_TABLES.items()
    }
    return {table: files for table, files in parts.items() if files}


def tables(study: Study) -> list[str]:
    """Return the public tables that are one file, in the order of the report."""
    measurements = study.measurements
    derived = {
        "rejected": True,
        "correctly_labelled": "accuracy" in measurements,
        "accuracy": "accuracy" in measurements,
        "kernel_tv": "kernel_tv" in measurements,
        "shape_bias": bool(study.conflict_sets),
        "differences": bool(study.paired_predictions),
        "detectors": "dissection" in measurements,
        "detectors_by_vote": "dissection" in measurements,
        "ablation_by_category": {"ablation", "dissection"} <= measurements.keys(),
        "findings": True,
    }
    return [*table_parts(study), *(table for table, condition in derived.items() if condition)]


def tables_of_findings(study: Study) -> list[str]:
    """Public tables from which the questions of the report are answered."""
    return [table for table in FINDINGS if table in tables(study)]


def _measured(study: Study, measurement: str, files: list[str]) -> list[str]:
    return files if measurement in study.measurements else []


def _dissection_files(study: Study, name: str) -> list[str]:
    pattern = f"<results>/dissection/{{model}}/{name}-{{part}}.parquet"
    return stage_files(study, "dissection", pattern)
