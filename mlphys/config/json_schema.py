"""The JSON schema of the config language, for completion in editors."""

from __future__ import annotations

from typing import Any

from mlphys.config.experiment import Experiment


def json_schema() -> dict[str, Any]:
    """Pydantic's schema, with each block written once: layers alone appear in a dozen places."""
    schema = Experiment.model_json_schema()
    definitions: dict[str, Any] = {}
    known = {name: _with_references(block, definitions) for name, block in schema.pop("$defs").items()}
    return {**_with_references(schema, definitions), "$defs": {**known, **definitions}}


def _with_references(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The node with a reference for every block in it, each of them added to `definitions`."""
    return {key: _folded(value, definitions) for key, value in node.items()}


def _folded(node: Any, definitions: dict[str, Any]) -> Any:
    """A reference for a block, other nodes with references for the blocks in them."""
    if isinstance(node, list):
        return [_folded(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    folded = _with_references(node, definitions)
    if not isinstance(node.get("title"), str) or "properties" not in node:
        return folded
    title, number = node["title"], 1
    name = f"{title}_1"  # pydantic's own definitions have no number
    while definitions.setdefault(name, folded) != folded:
        number += 1
        name = f"{title}_{number}"
    return {"$ref": f"#/$defs/{name}"}
