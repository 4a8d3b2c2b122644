"""The report: one self-contained page on a study, its findings, figures and tables."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import jinja2
import pandas as pd
from docutils.core import publish_parts
from markupsafe import Markup

from shapebias.report.findings.all_questions import findings
from shapebias.report.findings.verdicts import Finding
from shapebias.report.pages.important_channels import HEADINGS, linked_channels
from shapebias.report.pages.setup_tables import setup_tables
from shapebias.report.pages.table_views import view_of

DATA = resources.files("shapebias") / "data"
TEMPLATE, STYLE = DATA / "report.html.jinja", DATA / "style.css"

TITLES = {
    "example_stimuli": "Example stimuli",
    "shape_bias": "Shape bias",
    "accuracy": "Accuracy on distorted images",
    "accuracy_by_level": "Accuracy by level of distortion",
    "kernel_tv": "Smoothness of kernels",
    "matched_filters": "Matched first-layer filters",
    "activation_tv": "Smoothness of activations under noise",
    "detectors": "What units detect",
    "concept_differences": "Which concepts gain and lose units",
    "diversity": "How many concepts a unit detects",
    "ablation_by_category": "Which units decide",
    "important_concepts": "Which concepts matter most",
    "training": "Training",
}


@dataclass(frozen=True)
class ReportFigure:
    """A figure of the report: its kind, the bytes of its PNG, its caption in reStructuredText."""

    kind: str
    png: bytes
    caption: str = ""
    title: str = ""


def render_report(
    *,
    study: Mapping[str, Any],
    descriptions: Mapping[str, Mapping[str, Any]],
    tables: Mapping[str, pd.DataFrame],
    figures: Sequence[ReportFigure],
    captions: Mapping[str, str] | None = None,
    introduction: str = "",
    provenance: Mapping[str, Any] | None = None,
    channel_pages: int = 0,
) -> str:
    """HTML of the report, which loads nothing from outside itself.

    Parameters
    ----------
    study
        The study's settings: `name`, `seed`, `images`, `models`, `pairs`, `measurements`, ...
    descriptions
        Network to its description, of which the page tells `input_size` and `layers`.
    tables
        Public tables by name.
    figures
        In the order of the page.
    captions
        Table's name to its caption in reStructuredText.
    introduction
        What the report is, in reStructuredText.
    provenance
        `fingerprint`, `seed`, `packages`, `inputs`, as files carry them; any part may be absent.
    channel_pages
        Channels of each network that have a page, in `channels/<network>.html` beside the report.

    Returns
    -------
    One page, the same for the same arguments. Everything from the study is escaped.
    """
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    answers = study_findings(study, tables)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        style=Markup(STYLE.read_text(encoding="utf-8")),
        study=study,
        channels=linked_channels(tables, channel_pages),
        layerless=_layerless(study, tables),
        channel_headings=HEADINGS,
        introduction=html_of(introduction),
        setup=setup_tables(study, descriptions),
        findings=answers,
        verdicts=counted_verdicts(answers),
        figures=[_figure(figure) for figure in figures],
        tables=[
            (view_of(name, table), html_of((captions or {}).get(name, "")))
            for name, table in tables.items()
        ],
        provenance={"fingerprint": "", "packages": {}, "inputs": {}} | dict(provenance or {}),
    )


def _layerless(study: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Networks of which no channel could be silenced, where that was to be done."""
    if "ablation" not in tables:
        return []
    return sorted(study.get("models", {}).keys() - set(tables["ablation"]["model"]))


def study_findings(study: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> list[Finding]:
    """Findings of a study, whose settings say which image sets are clean, noisy or distorted."""
    measured = study.get("measurements", {})
    accuracy = measured.get("accuracy") or {}
    smoothness = measured.get("activation_tv") or {}
    return findings(
        tables,
        study.get("pairs", {}),
        clean=accuracy.get("clean"),
        noisy=smoothness.get("noisy"),
        plain=smoothness.get("clean"),
        kinds={name: kind_of(entry) for name, entry in study.get("images", {}).items()},
    )


def kind_of(image_set: Mapping[str, Any]) -> str:
    """Kind of an image set's transform, "attack", or "source"."""
    if "attack" in image_set:
        return "attack"
    return image_set.get("transform", {}).get("kind", "source")


def counted_verdicts(answers: Sequence[Finding]) -> dict[str, int]:
    """How many questions got each verdict, in the order in which they first appear."""
    verdicts = [answer.verdict for answer in answers]
    return {verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)}


def html_of(text: str) -> Markup:
    """HTML of reStructuredText, which can neither include a file nor hold raw HTML."""
    settings = {
        "raw_enabled": False,
        "file_insertion_enabled": False,
        "report_level": 5,
        "embed_stylesheet": False,
        "smart_quotes": False,
        "_disable_config": True,
    }
    parts = publish_parts(text, writer="html5", settings_overrides=settings)
    return Markup(parts["body"])


def _figure(figure: ReportFigure) -> dict[str, Any]:
    title = figure.title or TITLES.get(figure.kind, figure.kind.replace("_", " ").capitalize())
    return {
        "kind": figure.kind,
        "title": title,
        "caption": html_of(figure.caption),
        "source": "data:image/png;base64," + base64.b64encode(figure.png).decode(),
    }
