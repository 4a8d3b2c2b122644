"""Page that documents every plug-in, generated from their docstrings."""

import ast
import inspect
import re

from planning.study.plugin_settings import Setting, arguments_of, plugin_nodes, settings_of
from shapebias.plugins import kinds, plugin_file

# What each family is, and its key in a study.
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
    """Return a Markdown page with a section for each family and, in it, each kind."""
    lines = [
        "# Plug-ins",
        "",
        "Each plug-in is one file in the package of its family. A study names",
    ]
    lines += ["it by its `kind`, beside its settings. Paths may contain `{name}` of `folders`."]
    for family, description in FAMILIES.items():
        lines += ["", f"## {family}", "", description]
        for kind in kinds(family):
            lines += ["", *_kind_lines(family, kind)]
    return "\n".join(lines) + "\n"


def _kind_lines(family: str, kind: str) -> list[str]:
    module = ast.parse(plugin_file(family, kind).read_text(encoding="utf-8"))
    lines = [f"### `{kind}`", "", (ast.get_docstring(module) or "").splitlines()[0]]
    settings = settings_of(family, kind)
    defaults = {
        argument.name: ast.unparse(argument.default)
        for argument in arguments_of(family, kind)
        if argument.default is not None
    }
    parameters = [
        (names, text)
        for node in plugin_nodes(family, kind)
        for names, text in _parameters(ast.get_docstring(node) or "")
        if set(names) & settings.keys()
    ]
    if parameters:
        lines.append("")
    for names, text in parameters:
        titles = [_title(name, settings.get(name), defaults.get(name)) for name in names]
        lines.append(f"- {', '.join(titles)}: {text}")
    return lines


def _title(name: str, setting: Setting | None, default: str | None) -> str:
    """Return a setting's name with its default and range."""
    numbers = str(setting.numbers) if setting and setting.numbers else None
    notes = "; ".join(filter(None, [default, numbers]))
    return f"`{name}` ({notes})" if notes else f"`{name}`"


def _parameters(docstring: str) -> list[tuple[list[str], str]]:
    """Return the names and the description of each group of parameters in a docstring."""
    section = re.search(r"\nParameters\n-+\n(.*?)(?:\n\n\S|\Z)", docstring, re.DOTALL)
    if not section:
        return []
    groups = re.findall(r"^(\S[^\n]*)\n((?:[ \t]+[^\n]*\n?|\n)*)", section[1], re.MULTILINE)
    return [
        ([name.strip() for name in names.split(",")], " ".join(inspect.cleandoc(text).split()))
        for names, text in groups
    ]


if __name__ == "__main__":
    print(page(), end="")
