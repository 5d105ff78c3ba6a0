"""Validates requests against the contract with the program: payload.schema.json, which `npm run contract` writes.

The contract is JSON Schema, limited to the keywords in KEYWORDS.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from agent.errors import RefusedError

SCHEMA = "agent/payload.schema.json"

Schema = Mapping[str, Any]


def payload_of(step: str, request: Mapping[str, Any]) -> Any:
    """The step's payload; raises RefusedError that names each missing, unknown or wrong field, but no value."""
    steps: Mapping[str, Schema] = json.loads(request["modules"][SCHEMA])["steps"]
    payload = request.get("payload")
    found = problems(payload, steps[step], "payload")
    if found:
        raise RefusedError(f"{step}: {'; '.join(found)}; program and host agent do not belong together")
    return payload


def problems(value: object, schema: Schema, path: str) -> list[str]:
    """What is wrong with a value by its schema, one text for each field."""
    unknown = schema.keys() - KEYWORDS.keys() - {"properties", "required", "additionalProperties"}
    if unknown:
        return [f"the schema of {path} has unknown keywords: {', '.join(sorted(unknown))}"]
    for keyword, check in KEYWORDS.items():
        if keyword in schema:
            found = check(value, schema[keyword], path)
            if found:
                return found
    if not isinstance(value, dict) or "additionalProperties" not in schema:
        return []
    return _object(cast("dict[str, object]", value), schema, path)


def _object(value: Mapping[str, object], schema: Schema, path: str) -> list[str]:
    fields: Mapping[str, Schema] = schema.get("properties", {})
    others: Schema | bool = schema["additionalProperties"]
    found = [f"{path}.{name} is missing" for name in schema.get("required", []) if name not in value]
    for name, item in value.items():
        wanted = fields.get(name, others)
        if isinstance(wanted, bool):
            found += [] if wanted else [f"{path}.{name[:40]} is unknown"]
        else:
            found += problems(item, wanted, f"{path}.{name}")
    return found


def _type(value: object, names: str | list[str], path: str) -> list[str]:
    wanted = [names] if isinstance(names, str) else names
    return [] if any(TYPES[name](value) for name in wanted) else [f"{path} is no {' or '.join(wanted)}"]


def _enum(value: object, wanted: list[str], path: str) -> list[str]:
    return [] if value in wanted else [f"{path} is none of {', '.join(wanted)}"]


def _any_of(value: object, schemas: list[Schema], path: str) -> list[str]:
    each = [problems(value, schema, path) for schema in schemas]
    if any(not one for one in each):
        return []
    # Report the nearest alternative, which is never null.
    return next(one for one, schema in zip(each, schemas, strict=True) if schema.get("type") != "null")


def _items(value: object, schema: Schema, path: str) -> list[str]:
    items = cast("list[object]", value)
    return [text for at, item in enumerate(items) for text in problems(item, schema, f"{path}[{at}]")]


def _names(value: object, schema: Schema, path: str) -> list[str]:
    return [text for name in cast("dict[str, object]", value) for text in problems(name, schema, f"{path}'s {name!r}")]


def _matches(value: object, pattern: str, path: str) -> list[str]:
    # The contract's patterns are anchored, and Python's `$` would let a line break follow.
    inner = pattern.removeprefix("^").removesuffix("$")
    return [] if re.fullmatch(f"(?:{inner})", cast("str", value)) else [f"{path} has another form than {pattern}"]


def _limit(holds: Callable[[Any, Any], bool], words: str) -> Callable[[object, Any, str], list[str]]:
    return lambda value, limit, path: [] if holds(value, limit) else [f"{path} is {words} {limit}"]


TYPES: Mapping[str, Callable[[object], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: type(value) is int,
    "number": lambda value: type(value) in (int, float),
    "null": lambda value: value is None,
}

# Checked in this order: `type` comes first, so the others may rely on it.
KEYWORDS: Mapping[str, Callable[[Any, Any, str], list[str]]] = {
    "type": _type,
    "anyOf": _any_of,
    "const": _limit(lambda value, wanted: value == wanted, "not"),
    "enum": _enum,
    "minimum": _limit(lambda value, limit: value >= limit, "less than"),
    "maximum": _limit(lambda value, limit: value <= limit, "more than"),
    "minLength": _limit(lambda value, limit: len(value) >= limit, "shorter than"),
    "maxLength": _limit(lambda value, limit: len(value) <= limit, "longer than"),
    "minItems": _limit(lambda value, limit: len(value) >= limit, "a list of fewer than"),
    "pattern": _matches,
    "items": _items,
    "propertyNames": _names,
}
