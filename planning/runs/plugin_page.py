"""Page that documents every plug-in, generated from their docstrings."""

import ast
import inspect
import re

from planning.study.plugin_settings import (
    Setting,
    arguments_of,
    injected_arguments,
    plugin_nodes,
    settings_of,
)
from shapebias.plugins import NESTED, kinds, plugin_file

# What each family is, and its key in a study.
FAMILIES = {
    "datasets": (
        "Sources of images and concept sets: `images` and `concepts` of a study. Each also takes "
        "`parts`, `resize`, `crop` and `max_rejected`."
    ),
    "transforms": "Transforms that derive an image set: `transform`.",
    "stylizers": "Style transfer, the `stylizer` of the transform `stylize`.",
    "corruptions": "ImageNet-C's corruptions, the `corruption` of the transform `corrupt`.",
    "segmenters": (
        "Segmentation networks for silhouettes: `segmenters`. Each also takes `weights` or, to be "
        "trained, `concepts`, `category` and `training`."
    ),
    "attacks": "Adversarial attacks: `attacks`.",
    "architectures": (
        "Architectures: the `architecture` of a network. `classes` and `input_size` are keys of "
        "the network's entry."
    ),
    "recipes": "Training recipes: the `recipe` of a network's `training`.",
}

# Arguments that a study gives as the entry of another plug-in, or by the name of an entry.
REFERENCES = {"styles", "segmenter", "attack", *NESTED}
# Arguments that the workflow passes, so that a study may not give them here.
PASSED = {"architectures": {"classes", "input_size"}, "segmenters": {"classes"}}


def page() -> str:
    """Return a Markdown page with a section for each family and, in it, each kind."""
    lines = [
        "# Plug-ins",
        "",
        "Each plug-in is one file in the package of its family. A study names",
    ]
    lines += ["it by its `kind`, beside its settings. Paths may contain `{name}` of `folders`."]
    lines += [
        "Defaults and allowed numbers are in brackets; a setting without default is required."
    ]
    for family, description in FAMILIES.items():
        lines += ["", f"## {family}", "", description]
        for kind in kinds(family):
            lines += ["", *_kind_lines(family, kind)]
    return "\n".join(lines) + "\n"


def _kind_lines(family: str, kind: str) -> list[str]:
    module = ast.parse(plugin_file(family, kind).read_text(encoding="utf-8"))
    lines = [f"### `{kind}`", "", (ast.get_docstring(module) or "").splitlines()[0]]
    settings = settings_of(family, kind)
    listed = settings.keys() | (REFERENCES & injected_arguments(family, kind))
    listed -= PASSED.get(family, set())
    defaults = {
        argument.name: ast.unparse(argument.default)
        for argument in arguments_of(family, kind)
        if argument.default is not None and argument.name in settings
    }
    # A study need not give the seed of a source.
    if "seed" in settings and settings["seed"].required:
        defaults["seed"] = "the study's seed"
    groups = [
        group
        for node in plugin_nodes(family, kind)
        for group in _parameters(ast.get_docstring(node) or "")
    ]
    # A class may describe a setting of its base class in other words.
    last = {name: number for number, (names, _) in enumerate(groups) for name in names}
    items = []
    for number, (names, text) in enumerate(groups):
        titles = [
            _title(name, settings.get(name), defaults.get(name))
            for name in names
            if name in listed and last[name] == number
        ]
        if titles:
            items.append(f"- {', '.join(titles)}: {text}")
    return [*lines, "", *items] if items else lines


def _title(name: str, setting: Setting | None, default: str | None) -> str:
    """Return a setting's name with its default and range."""
    numbers = str(setting.numbers) if setting and setting.numbers else None
    notes = "; ".join(filter(None, [default, numbers]))
    return f"`{name}` ({notes})" if notes else f"`{name}`"


def _parameters(docstring: str) -> list[tuple[list[str], str]]:
    """Return the names and the description, without citations, of each group of parameters."""
    section = re.search(r"\nParameters\n-+\n(.*?)(?:\n\n\S|\Z)", docstring, re.DOTALL)
    if not section:
        return []
    section_text = re.sub(r"\s*\[\d+\]_", "", section[1])
    groups = re.findall(r"^(\S[^\n]*)\n((?:[ \t]+[^\n]*\n?|\n)*)", section_text, re.MULTILINE)
    return [
        ([name.strip() for name in names.split(",")], " ".join(inspect.cleandoc(text).split()))
        for names, text in groups
    ]


if __name__ == "__main__":
    print(page(), end="")
