"""What the keys of a config mean: the docstrings below the fields of their classes, or the fields' own descriptions."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from pydantic import BaseModel

EXAMPLE = "Example: "


@dataclass(frozen=True)
class Description:
    """What a key means, and a value of it as YAML, empty where there is none."""

    sentence: str
    example: str


@cache
def describe(owner: type[BaseModel], key: str) -> Description | None:
    """The docstring below the field `key` of a class, or of the nearest base class that has one.

    A field that comes from elsewhere, as those of penalties on a code do, has its own description.
    """
    texts = (_documented(ancestor.__module__).get(ancestor.__name__, {}).get(key) for ancestor in owner.__mro__)
    text = next(filter(None, texts), None) or owner.model_fields[key].description
    if not text:
        return None
    sentence, _, example = text.partition(EXAMPLE)
    return Description(sentence.strip(), example.strip())


@cache
def _documented(module: str) -> Mapping[str, Mapping[str, str]]:
    """The docstrings of fields by class, read from the source: pydantic's own reader would slow every import down."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (KeyError, OSError, TypeError):  # a class of no module, or a module without a source
        return {}
    return {node.name: _fields(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _fields(node: ast.ClassDef) -> dict[str, str]:
    return {
        field.target.id: " ".join(below.value.value.split())
        for field, below in zip(node.body, node.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }
