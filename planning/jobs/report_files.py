"""Files and settings of figures, pages of channels, and the report."""

from pathlib import Path
from typing import Any

from snakemake.io import expand

from planning.jobs.image_files import (
    concept_files,
    image_files,
    segmenter_file,
    transform_settings,
)
from planning.jobs.network_files import SAVING, prediction_file, prediction_files, stage_files
from planning.jobs.study import Entry, Study, flatten, without
from planning.jobs.tables import large_table_parts, table_parts, tables
from shapebias.io.checksums import recorded_checksum

# Figures whose titles name the networks; the others distinguish unpaired networks by colour.
WITHOUT_UNPAIRED = ("example_stimuli", "matched_filters")
CAPTIONS = Path(__file__).parents[2] / "report"


def figure_tables(study: Study) -> dict[str, list[str]]:
    """Return the public tables of each figure, for figures whose tables the study makes."""
    controls = ["dissection_controls"] if study.controls else []
    needs = {
        **({"example_stimuli": []} if displayed_sets(study) else {}),
        "shape_bias": ["shape_bias"],
        "accuracy": ["accuracy"],
        **({"accuracy_by_level": ["accuracy"]} if study.parameter_sweeps else {}),
        "kernel_tv": ["kernel_tv"],
        "matched_filters": ["filter_matches"],
        "activation_tv": ["activation_tv"],
        "detectors": ["detectors", *controls],
        "concept_differences": ["dissection", *controls],
        "diversity": ["dissection", *controls],
        "ablation_by_category": ["ablation", "dissection"],
        "important_concepts": ["ablation_by_concept"],
        "training": ["training_log"],
    }
    available = set(tables(study))
    return {figure: names for figure, names in needs.items() if available.issuperset(names)}


def figure_settings(study: Study, figure: str) -> Entry:
    """Return the settings of a figure, without its tables and the pairs."""
    cut = {"iou_cut": study.config["report"]["iou_cut"]}
    settings: dict[str, Entry] = {
        "accuracy": {"clean": study.clean_set},
        "accuracy_by_level": {"clean": study.clean_set, "curves": study.parameter_sweeps},
        "activation_tv": dict(study.measurement("activation_tv")),
        "detectors": cut,
        "concept_differences": cut,
        "ablation_by_category": cut,
        "important_concepts": {"iou_cut": study.measurement("ablation_by_concept").get("iou_cut")},
    }
    unpaired = {} if figure in WITHOUT_UNPAIRED else {"unpaired": study.unpaired_models}
    return settings.get(figure, {}) | unpaired


def figure_files(study: Study, figure: str) -> dict[str, list[str]]:
    """Return the files that a figure shows: tables, kernels or images."""
    names = figure_tables(study)[figure]
    files = {"tables": [f"<results>/tables/{table}.parquet" for table in names]}
    if figure == "matched_filters":
        files["kernels"] = _first_kernels(study)
    if figure == "example_stimuli":
        files["images"] = [image_files(study, name)[0] for name in _shown_without_attack(study)]
        files["adversarial"] = list(adversarial_examples(study).values())
    return files


def displayed_sets(study: Study) -> list[str]:
    """Return the image sets of the figure of example stimuli, the clean one first."""
    names = [*study.scored_sets, *study.conflict_sets]
    # An unstored set is not shown if its transform needs styles or a segmenter.
    needs_files = {"styles", "segmenter"}
    return [
        name
        for name in dict.fromkeys(names)
        if name not in study.unstored_sets
        or not needs_files & study.images[name]["transform"].keys()
    ]


def adversarial_examples(study: Study) -> dict[str, str]:
    """Return title and file of the adversarial images against each network of the first pair."""
    pair = next(iter(study.pairs.values()), {"standard": next(iter(study.models))})
    models = [pair[side] for side in ("standard", "robust") if side in pair]
    return {
        f"{name} ({model})": prediction_file(model, f"{name}-examples")
        for name in displayed_sets(study)
        if name in study.adversarial_sets
        for model in models
    }


def stimuli(study: Study) -> Entry:
    """Return the settings of the figure of example stimuli."""
    return {
        "n": study.config["report"]["examples"],
        "seed": study.config["seed"],
        "sets": [
            (name, transform_settings(study, name) if name in study.unstored_sets else None)
            for name in _shown_without_attack(study)
        ],
        "adversarial": list(adversarial_examples(study)),
    }


def findings_settings(study: Study) -> Entry:
    """Settings by which the tables of a study answer the questions of the report."""
    noise = study.measurement("activation_tv")
    kinds = {
        name: "attack" if "attack" in entry else entry.get("transform", {}).get("kind", "source")
        for name, entry in study.images.items()
    }
    return {
        "pairs": study.pairs,
        "clean": study.clean_set,
        "noise": (noise["clean"], noise["noisy"]) if noise else None,
        "kinds": kinds,
    }


def channel_files(study: Study, model: str) -> dict[str, list[str]]:
    """Return the files with results on one network's channels, by kind of result."""
    stages = {
        "scores": ("ablation", "scores"),
        "flips": ("ablation", "flips"),
        "labels": ("dissection", "labels"),
        "top_images": ("dissection", "top_images"),
    }
    return {
        name: stage_files(
            study, stage, f"<results>/{stage}/{{model}}/{file}-{{part}}.parquet", model
        )
        for name, (stage, file) in stages.items()
        if stage in study.measurements
    }


def caption(name: str) -> str:
    """Return the text of a caption in `report/`."""
    return (CAPTIONS / f"{name}.rst").read_text(encoding="utf-8")


def reported_study(study: Study) -> Entry:
    """Return the study without the settings on which no result depends."""
    trained = {
        name: entry | {"training": without(entry["training"], *SAVING)}
        for name, entry in study.models.items()
        if "training" in entry
    }
    measurements = {
        name: without(settings, "memory") for name, settings in study.measurements.items()
    }
    return study.config | {"models": study.models | trained, "measurements": measurements}


def missing_outputs(study: Study) -> list[str]:
    """Return the files of the study that a job wrote and that no longer exist.

    Snakemake removes the former outputs of a job that fails, and a damaged file is deleted by
    hand. Snakemake does not miss such a file if files that were made from it exist, so they are
    inputs of the rule `all`.
    """
    paths = [
        path.replace("<results>", f"results/{study.name}") for path in flatten(_intermediate(study))
    ]
    return [path for path in paths if recorded_checksum(path) and not Path(path).exists()]


def _intermediate(study: Study) -> list[Any]:
    """Return all files that are made from the sources, without the report."""
    scored = dict.fromkeys([*study.scored_sets, *study.conflict_sets])
    return [
        [image_files(study, name) for name in study.source_sets + study.derived_sets],
        [concept_files(study, name) for name in study.concepts],
        map(segmenter_file, study.segmenters),
        expand(
            "<results>/models/{model}/{file}",
            model=study.models,
            file=["weights.safetensors", "model.json"],
        ),
        prediction_files(study, scored),
        adversarial_examples(study).values(),
        table_parts(study).values(),
        large_table_parts(study).values(),
        _first_kernels(study) if "filter_matches" in study.measurements else [],
        expand("<results>/report/channels/{model}.html", model=study.models_with_pages),
        expand(
            "<results>/figures/{figure}.{kind}", figure=figure_tables(study), kind=["png", "pdf"]
        ),
    ]


def _first_kernels(study: Study) -> list[str]:
    return expand("<results>/smoothness/first_kernels/{pair}.safetensors", pair=study.pairs)


def _shown_without_attack(study: Study) -> list[str]:
    return [name for name in displayed_sets(study) if name not in study.adversarial_sets]
