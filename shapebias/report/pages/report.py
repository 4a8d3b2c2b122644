"""HTML report of a study on one self-contained page: set-up, findings, figures and tables."""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from docutils.core import publish_parts
from markupsafe import Markup

from shapebias.report.findings.all_questions import summaries
from shapebias.report.pages.important_channels import HEADINGS, linked_channels
from shapebias.report.pages.setup_tables import setup_tables
from shapebias.report.pages.table_views import view_of
from shapebias.report.pages.templates import render

TITLES = {
    "example_stimuli": "Example stimuli",
    "shape_bias": "Shape bias",
    "accuracy": "Accuracy on distorted images",
    "accuracy_by_level": "Accuracy by level of distortion",
    "kernel_tv": "Smoothness of kernels",
    "matched_filters": "Matched first-layer filters",
    "activation_tv": "Smoothness of activations under noise",
    "detectors": "Detectors by category",
    "concept_differences": "Detectors by concept",
    "diversity": "Concepts per channel",
    "ablation_by_category": "Which channels the decisions depend on",
    "important_concepts": "Which concepts the decisions depend on",
    "training": "Training",
}


@dataclass(frozen=True)
class ReportFigure:
    """Figure of the report: its kind, the bytes of its PNG, its caption in reStructuredText."""

    kind: str
    png: bytes
    caption: str = ""


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
    """Write the report as HTML that loads nothing from elsewhere.

    Parameters
    ----------
    study
        The study's settings: `name`, `seed`, `images`, `models`, `pairs`, `measurements`, ...
    descriptions
        Network to its description, with `input_size` and `layers`.
    tables
        Public tables by name; the table `findings` holds the answers at the head of the page.
    figures
        Figures in the order of the page.
    captions
        Table's name to its caption in reStructuredText.
    introduction
        Introduction of the report in reStructuredText.
    provenance
        `fingerprint`, `seed`, `packages`, `inputs`, as in files' metadata; each may be absent.
    channel_pages
        Number of channels of each network on its page `channels/<network>.html` beside the report.

    Returns
    -------
    One page, equal for equal arguments. Names and settings of the study are escaped.
    """
    answers = summaries(tables["findings"]) if "findings" in tables else []
    return render(
        "report.html.jinja",
        "findings.html.jinja",
        study=study,
        channels=linked_channels(tables, channel_pages),
        layerless=_networks_without_layers(study, tables),
        channel_headings=HEADINGS,
        introduction=html_of(introduction),
        setup=setup_tables(study, descriptions),
        findings=answers,
        verdicts=Counter(answer.verdict for answer in answers),
        figures=[_figure(figure) for figure in figures],
        tables=[
            (view_of(name, table), html_of((captions or {}).get(name, "")))
            for name, table in tables.items()
        ],
        provenance={"fingerprint": "", "packages": {}, "inputs": {}} | dict(provenance or {}),
    )


def _networks_without_layers(
    study: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]
) -> list[str]:
    """Networks without a channel to ablate, if channels were ablated."""
    if "ablation" not in tables:
        return []
    return sorted(study.get("models", {}).keys() - set(tables["ablation"]["model"]))


def html_of(text: str) -> Markup:
    """Convert reStructuredText to HTML; it can neither include a file nor contain raw HTML."""
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
    return {
        "kind": figure.kind,
        "title": TITLES[figure.kind],
        "caption": html_of(figure.caption),
        "source": "data:image/png;base64," + base64.b64encode(figure.png).decode(),
    }
