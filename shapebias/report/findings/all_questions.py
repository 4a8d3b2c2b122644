"""Table of all findings, and its summary by question for the report."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from typing import Any

import pandas as pd

from shapebias.io.table_schemas import TABLES
from shapebias.report.findings.answers import (
    DESCRIBED,
    MIXED,
    NO,
    NO_PAIR,
    NOT_MEASURED,
    UNCLEAR,
    YES,
    Answer,
    Measurements,
    combined_verdict,
)
from shapebias.report.findings.behaviour import accuracies, shape_biases
from shapebias.report.findings.smoothness import activations, first_layers, kernels
from shapebias.report.findings.units import ablations, beyond_chance, categories, diversities

# Question to the function that answers it; `accuracies` answers those with kinds of image set.
FUNCTIONS = {
    "shape_bias": shape_biases,
    "kernels": kernels,
    "first_layer": first_layers,
    "activations": activations,
    "categories": categories,
    "diversity": diversities,
    "chance": beyond_chance,
    "ablation": ablations,
}
# Questions that are left out if no table answers them.
OPTIONAL = ("other_images", "chance")
DATA = resources.files("shapebias") / "data"
# Question to answer, with the sign that means yes; and what was published on it.
QUESTIONS, PUBLISHED = DATA / "questions.csv", DATA / "published.csv"


@dataclass(frozen=True)
class Finding:
    """A question with its answers, as the report shows it.

    Parameters
    ----------
    key, text
        Name and text of the question.
    verdict
        "yes", "no" (the opposite holds), "mixed" (comparisons disagree), "unclear" (no difference
        is shown), "no pair", "described" or "not measured".
    tally
        Number of comparisons that say yes and no, if the verdict is "mixed".
    answers
        Rows of the table `findings`, network by network or pair by pair.
    published
        Rows of `published.csv`.
    """

    key: str
    text: str
    verdict: str
    tally: str
    answers: list[list[dict[str, Any]]]
    published: list[dict[str, str]]


def findings(study: Measurements) -> pd.DataFrame:
    """Table `findings` of a study: each question with its answers.

    A question that no table answers has one row with the verdict "not measured".
    """
    rows = []
    for question in read_rows(QUESTIONS):
        key, yes = question["key"], int(question["yes"])
        answers = list(_answers(study, question, yes))
        if not answers and key not in OPTIONAL:
            answers = [{"verdict": NOT_MEASURED}]
        for answer in answers:
            default = NO_PAIR if yes and "model" in answer else DESCRIBED
            rows.append({"question": key, "text": question["text"], "verdict": default} | answer)
    columns = TABLES["findings"].columns
    types = {"count": "Int64", "number": float, "text": object}
    table = pd.DataFrame(rows, columns=[column.name for column in columns])
    return table.astype({column.name: types[column.type] for column in columns})


def summaries(table: pd.DataFrame) -> list[Finding]:
    """Questions of the table `findings`, each with its verdict and its published numbers."""
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    published = read_rows(PUBLISHED)
    questions = []
    for key, group in groupby(rows, lambda row: row["question"]):
        answers = list(group)
        verdicts = [row["verdict"] for row in answers]
        verdict, tally = combined_verdict(verdicts), ""
        if verdict == MIXED:
            counts = {name: verdicts.count(name) for name in (YES, NO, UNCLEAR)}
            named = ", ".join(f"{n} {name}" for name, n in counts.items() if n)
            tally = f"{sum(counts.values())} comparisons: {named}"
        subjects = groupby(answers, lambda row: row["pair"] or row["model"])
        by_subject = [list(part) for subject, part in subjects if subject]
        numbers = [row for row in published if row["question"] == key]
        questions.append(Finding(key, answers[0]["text"], verdict, tally, by_subject, numbers))
    return questions


def read_rows(file: Any) -> list[dict[str, str]]:
    """Rows of a CSV file of the library, as texts."""
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


def _answers(study: Measurements, question: dict[str, str], yes: int) -> Iterator[Answer]:
    if question["key"] in FUNCTIONS:
        return FUNCTIONS[question["key"]](study, yes)
    known = {kind for row in read_rows(QUESTIONS) for kind in row["kinds"].split()}
    sets = []
    for name in study.table("accuracy")["image_set"].unique():
        kind = "clean" if name == study.clean else study.kinds.get(name, "other")
        if (kind if kind in known else "other") in question["kinds"].split():
            sets.append(name)
    return accuracies(study, yes, sets)
