"""The type of a key in words: `whole number, at least 0, or null`."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import TypeAdapter, WithJsonSchema

from mlphys.schema.fields import LARGEST
from mlphys.schema.spec import Choice, Entry, Spec

NAMES = {"integer": "whole number", "boolean": "true or false", "string": "text", "number": "number", "null": "null"}


def in_words(annotation: Any, metadata: Any = ()) -> str:
    """A field's annotation and its metadata, as they are read by pydantic."""
    for mark in metadata:
        if isinstance(mark, Choice | Entry):
            return mark.in_words()
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return in_words(inner[0], annotation.__metadata__)
    if any(isinstance(mark, WithJsonSchema) for mark in metadata):
        return _schema_in_words(_schema(annotation, metadata))
    if origin in (Union, UnionType):
        return ", or ".join(in_words(option) for option in inner)
    if origin is list:
        return f"list: {in_words(inner[0])}"
    if origin is dict:
        return f"block of names, each: {in_words(inner[1])}"
    if annotation is NoneType:
        return "null"
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return "block"
    return _schema_in_words(_schema(annotation, metadata))


def _schema(annotation: Any, metadata: Any) -> dict[str, Any]:
    return TypeAdapter(Annotated[annotation, *metadata] if metadata else annotation).json_schema()


def _schema_in_words(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"])) if len(schema["enum"]) > 1 else f"{schema['enum'][0]}"
    if "const" in schema:
        return f"{schema['const']}"
    if "anyOf" in schema:
        return ", or ".join(dict.fromkeys(_schema_in_words(option) for option in schema["anyOf"]))
    kind = schema.get("type")
    if isinstance(kind, list):
        return ", ".join(_schema_in_words({"type": one}) for one in kind)
    if kind == "array":
        return _list(schema)
    if kind == "object":
        inside = schema.get("additionalProperties")
        return f"block of names, each: {_schema_in_words(inside)}" if isinstance(inside, dict) else "block"
    names = {
        "integer": "whole number",
        "number": "number",
        "boolean": "true or false",
        "null": "null",
        "string": "text",
    }
    return ", ".join([names.get(str(kind), "a value"), *_bounds(schema)])


def _list(schema: dict[str, Any]) -> str:
    inner = schema.get("prefixItems")
    if inner:
        return f"list of {len(inner)}: {_schema_in_words(inner[0])}"
    items = schema.get("items")
    count = f" of {schema['minItems']}" if "minItems" in schema and schema["minItems"] == schema.get("maxItems") else ""
    return f"list{count}: {_schema_in_words(items)}" if items else "list"


def _bounds(schema: dict[str, Any]) -> list[str]:
    words = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    limits = {key: schema[key] for key in words if key in schema and abs(schema[key]) < LARGEST}
    if schema.get("description"):
        return [schema["description"]]
    return [f"{words[key]} {value:g}" for key, value in limits.items()]
