"""Says in one line why a file is no study: ``python -m planning.study.yaml_check FILE``.

Snakemake reads a study before any code of this project does, and does not say where it fails.
"""

import sys
from pathlib import Path

import yaml


def main(file: str) -> int:
    """Exit status: 0 for a file that holds keys."""
    if mistake := unreadable(Path(file)):
        print(f"error in the study: {mistake}", file=sys.stderr)
    return int(bool(mistake))


def unreadable(file: Path) -> str:
    """What keeps a file from being read as a study; nothing for one that can be."""
    try:
        study = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return f"there is no file {file}; see studies/ for those that are there"
    except OSError as error:
        return f"{file} cannot be read ({error.strerror})"
    except UnicodeDecodeError as error:
        return f"{file} is no text in UTF-8 (byte {error.start + 1}); save it as such"
    except yaml.YAMLError as error:
        return f"{_place(file, error)} is no YAML: {_reason(error)}"
    if not isinstance(study, dict):
        return f"{file} holds no keys such as `name: my-study`; see config.yaml for all of them"
    return ""


def _place(file: Path, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"{file}, line {mark.line + 1}, column {mark.column + 1}," if mark else str(file)


def _reason(error: yaml.YAMLError) -> str:
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    context = getattr(error, "context", None)
    return f"{problem} {context}" if context else problem


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
