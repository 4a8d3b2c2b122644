"""Check the YAML of a study's file: ``python -m planning.study.yaml_check FILE``.

Snakemake reads the file before this project's code runs, and its errors do not name the place.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from planning.study.errors import StudyError, dotted

RECURSIVE = "a YAML alias (`*name`) refers to a value that contains it; remove it"


def main(file: str) -> int:
    """Print the first error of a file; return the exit status, 0 without an error."""
    try:
        check_file(Path(file))
    except StudyError as error:
        print(f"error in the study: {error}", file=sys.stderr)
        return 1
    return 0


def check_file(file: Path) -> None:
    """Raise `StudyError` unless a file is readable YAML with keys, each of which occurs once."""
    try:
        with file.open("rb") as stream:
            loader = yaml.SafeLoader(stream)
            node = loader.get_single_node()
            _check_node(file, node)
            study = node and loader.construct_document(node)
    except OSError as error:
        raise StudyError(f"{file} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError) as error:
        message = " ".join(str(error).split())
        raise StudyError(f"{file} is not valid YAML: {message}") from None
    if not isinstance(study, dict):
        raise StudyError(
            f"{file} has no keys such as `name: my-study`; config.schema.yaml describes all keys"
        )


def leaves(value: Any, path: tuple = (), parents: tuple = ()) -> Iterator[tuple[tuple, Any]]:
    """Yield the path and value of everything in a study that is not a mapping or list.

    Raises
    ------
    StudyError
        If a value contains itself, which YAML's aliases make possible.
    """
    if any(value is parent for parent in parents):
        raise StudyError(f"{dotted(path)}: {RECURSIVE}")
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(part, (*path, key), (*parents, value))
    else:
        yield path, value


def _check_node(file: Path, node: yaml.Node | None, parents: tuple[yaml.Node, ...] = ()) -> None:
    """Raise `StudyError` for a value that contains itself, or a key that occurs twice.

    YAML would let the second value of a key replace the first.
    """
    if node in parents:
        raise StudyError(f"{file}, line {node.start_mark.line + 1}: {RECURSIVE}")
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_node(file, item, (*parents, node))
    if isinstance(node, yaml.MappingNode):
        keys = set()
        for key, value in node.value:
            name = str(key.value)
            if name in keys and key.tag != "tag:yaml.org,2002:merge":
                line = key.start_mark.line + 1
                raise StudyError(f"{file}, line {line}: duplicate key {name!r}")
            keys.add(name)
            _check_node(file, value, (*parents, node))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
