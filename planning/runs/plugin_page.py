"""A page on every plug-in, written from their docstrings."""

import ast
import inspect
import re
from functools import partial

from planning.study.plugin_settings import Setting, arguments_of, plugin_node, settings_of
from shapebias.plugins import kinds, plugin_file

# Family, its key in a study, and what it is.
FAMILIES = {
    "datasets": "Sources of images and concept sets: `images` and `concepts` of a study.",
    "transforms": "Transforms that derive an image set: `transform`.",
    "stylizers": "Style transfer, the `stylizer` of the transform `stylize`.",
    "corruptions": "ImageNet-C's corruptions, the `corruption` of the transform `corrupt`.",
    "segmenters": "Segmentation networks for silhouettes: `segmenters`.",
    "attacks": "Adversarial attacks: `attacks`.",
    "architectures": "Architectures: the `architecture` of a network.",
    "recipes": "Training recipes: the `recipe` of a network's `training`.",
}


def page() -> str:
    """Markdown page: a heading a family, and under it each kind with its settings."""
    lines = ["# Plug-ins", "", "Each is one file in the folder of its family and is named by"]
    lines += ["its `kind` in a study, beside its settings. Paths may hold `{name}` of `folders`."]
    for family, what in FAMILIES.items():
        lines += ["", f"## {family}", "", what]
        for kind in kinds(family):
            lines += ["", *_entry(family, kind)]
    return "\n".join(lines) + "\n"


def _entry(family: str, kind: str) -> list[str]:
    tree = ast.parse(plugin_file(family, kind).read_text(encoding="utf-8"))
    summary = (ast.get_docstring(tree) or "").splitlines()[0]
    lines = [f"### `{kind}`", "", summary]
    known = settings_of(family, kind)
    described = [
        (names, text)
        for names, text in _parameters(ast.get_docstring(plugin_node(family, kind)) or "")
        if set(names) & known.keys()
    ]
    defaults = {
        argument.name: ast.unparse(argument.default)
        for argument in arguments_of(family, kind)
        if argument.default is not None
    }
    if described:
        lines.append("")
    for names, text in described:
        shown = ", ".join(map(partial(_noted, known=known, defaults=defaults), names))
        lines.append(f"- {shown}: {text}")
    return lines


def _noted(name: str, known: dict[str, Setting], defaults: dict[str, str]) -> str:
    """A setting with its default, and the numbers that it may have."""
    numbers = known[name].numbers if name in known else None
    notes = [defaults.get(name), str(numbers) if numbers else None]
    return f"`{name}`" + (f" ({'; '.join(filter(None, notes))})" if any(notes) else "")


def _parameters(docstring: str) -> list[tuple[list[str], str]]:
    """Names and description of each group of parameters."""
    found = re.search(r"\nParameters\n-+\n(.*?)(?:\n\n\S|\Z)", docstring, re.DOTALL)
    if not found:
        return []
    groups = re.findall(r"^(\S[^\n]*)\n((?:[ \t]+[^\n]*\n?|\n)*)", found[1], re.MULTILINE)
    return [
        ([name.strip() for name in names.split(",")], " ".join(inspect.cleandoc(text).split()))
        for names, text in groups
    ]


if __name__ == "__main__":
    print(page(), end="")
