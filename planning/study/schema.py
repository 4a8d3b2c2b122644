"""What `config.schema.yaml` says of a study: its keys, their types and what they default to."""

import copy
from typing import Any

import jsonschema

from planning.study.errors import StudyError, dotted, hint_on_number
from shapebias.errors import UnknownName


def check_schema(study: Any, schema: dict[str, Any]) -> None:
    """Raise `StudyError` for the first departure from the schema."""
    errors = jsonschema.Draft202012Validator(schema).iter_errors(study)
    for error in sorted(errors, key=lambda e: [str(step) for step in e.absolute_path]):
        where = dotted(error.absolute_path)
        if error.validator == "additionalProperties" and isinstance(error.schema, dict):
            known = error.schema.get("properties", {})
            unknown = next(key for key in error.instance if key not in known)
            raise StudyError(str(UnknownName(f"key in {where}", unknown, known)))
        if error.validator == "required":
            missing = next(key for key in error.validator_value if key not in error.instance)
            raise StudyError(f"{where} lacks the key {missing!r}")
        raise StudyError(f"{where}: {explained(error)}")


def explained(error: jsonschema.ValidationError) -> str:
    """What is wrong with a value, and what would be right."""
    value, rule = error.instance, error.validator_value
    if error.validator == "type":
        kinds_allowed = " or ".join([rule] if isinstance(rule, str) else rule)
        return f"{value!r} is not of type {kinds_allowed}{hint_on_number(value, kinds_allowed)}"
    if error.validator == "enum":
        return str(UnknownName("value", value, rule))
    if error.validator == "pattern":
        return f"{value!r} is no name: use letters, digits, `_`, `-`, `.`, a letter or digit first"
    if error.validator == "oneOf":
        return f"{value!r} is neither `imagenet` nor a list of at least two different names"
    return error.message


def fill_defaults(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> None:
    """Put the schema's defaults where a study says nothing, in place."""
    schema = resolved(schema, root)
    if not isinstance(value, dict):
        return
    for key, part in schema.get("properties", {}).items():
        if "default" in (found := resolved(part, root)):
            value.setdefault(key, copy.deepcopy(found["default"]))
        if key in value:
            fill_defaults(value[key], part, root)
    if isinstance(rest := schema.get("additionalProperties"), dict):
        for key in value.keys() - schema.get("properties", {}).keys():
            fill_defaults(value[key], rest, root)


def resolved(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """A schema with its reference to a definition replaced by what it refers to."""
    if "$ref" not in schema:
        return schema
    definition = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    return {**definition, **{key: value for key, value in schema.items() if key != "$ref"}}
