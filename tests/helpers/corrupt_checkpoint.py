"""Checkpoints with altered content and a valid checksum."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from mlphys.training import checkpoint as checkpoints


def facts_of(path: Path) -> dict[str, Any]:
    """The metadata of the checkpoint at `path`."""
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["checkpoint"])


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    facts = facts_of(path)
    change(facts)
    rewrite_text(path, json.dumps(facts))


def rewrite_text(path: Path, text: str) -> None:
    """The same with any text in place of the facts."""
    tensors = load_file(path)
    save_file(tensors, path, metadata={"checkpoint": text, "sha256": checkpoints._digest(text, tensors)})
