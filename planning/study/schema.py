"""Check a study against `config.schema.yaml` and fill in its defaults."""

import copy
import math
from typing import Any

import jsonschema

from planning.study.errors import StudyError, dotted, wrong_type
from planning.study.yaml_check import leaves
from shapebias.errors import UnknownName

# End of the one path whose value may be infinite: the level of the transform `saturate`.
MAY_BE_INFINITE = ("transform", "level")


def check_numbers(study: dict[str, Any]) -> None:
    """Raise `StudyError` for a number that is NaN or infinite, which every bound would accept."""
    for path, value in leaves(study):
        if not isinstance(value, float) or math.isfinite(value):
            continue
        if value != math.inf or path[-2:] != MAY_BE_INFINITE:
            raise StudyError(f"{dotted(path)}: {value} is not a finite number")


def check_schema(study: Any, schema: dict[str, Any]) -> None:
    """Raise `StudyError` for the first value that the schema does not allow."""
    errors = jsonschema.Draft202012Validator(schema).iter_errors(study)
    for error in sorted(errors, key=lambda error: [str(step) for step in error.absolute_path]):
        where = dotted(error.absolute_path)
        if error.validator == "additionalProperties" and isinstance(error.schema, dict):
            known = error.schema.get("properties", {})
            unknown = next(key for key in error.instance if key not in known)
            raise StudyError(str(UnknownName(f"key in {where}", unknown, known)))
        if error.validator == "required":
            missing = next(key for key in error.validator_value if key not in error.instance)
            raise StudyError(f"{where} lacks the key {missing!r}")
        key = "the name " if "propertyNames" in error.absolute_schema_path else ""
        raise StudyError(f"{where}: {key}{_describe(error)}")


def _describe(error: jsonschema.ValidationError) -> str:
    """Say what is wrong with a value and what is allowed."""
    value, rule = error.instance, error.validator_value
    match error.validator:
        case "type":
            return wrong_type(value, " or ".join([rule] if isinstance(rule, str) else rule))
        case "enum":
            return str(UnknownName("value", value, [str(choice) for choice in rule]))
        case "pattern":
            return (
                f"{value!r} is not allowed: use letters, digits, `_`, `-` and `.`, and begin with "
                "a letter or digit"
            )
        case "not":
            return f"{value!r} is reserved: {rule['description']}; choose another name"
        case "oneOf":
            return f"{value!r} is neither `imagenet` nor a list of at least two different names"
    return error.message


def fill_defaults(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> None:
    """Add the schema's defaults for absent keys, in place."""
    if not isinstance(value, dict):
        return
    schema = _resolve(schema, root)
    properties = schema.get("properties", {})
    for key, part in properties.items():
        if "default" in (resolved := _resolve(part, root)):
            value.setdefault(key, copy.deepcopy(resolved["default"]))
        if key in value:
            fill_defaults(value[key], part, root)
    if isinstance(others := schema.get("additionalProperties"), dict):
        for key in value.keys() - properties.keys():
            fill_defaults(value[key], others, root)


def _resolve(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """Replace a schema's reference to a definition by that definition."""
    if "$ref" not in schema:
        return schema
    definition = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    return {**definition, **{key: value for key, value in schema.items() if key != "$ref"}}
