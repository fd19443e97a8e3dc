"""Configs as a program gives them: a file, a shipped name, a run, or a dict."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlphys.config.load import overridden_document
from mlphys.config.overrides import overridden
from mlphys.config.shipped import shipped, shipped_studies
from mlphys.config.sources import config_file, is_of_run
from mlphys.errors import UserError
from mlphys.schema.document import DEEPEST, Document, flow

Config = str | os.PathLike[str] | Mapping[str, Any]

IN_A_DICT = "config"  # what messages call a dict
NAMELESS = "experiment"  # the name of one that has none


def document(config: Config, overrides: Mapping[str, Any], seed: int | None = None) -> Document:
    """The config with its overrides, by dotted keys. Raises UserError for what is no config, or no plain data."""
    all_overrides = [*as_texts(overrides), *as_texts({} if seed is None else {"seed": seed})]
    if isinstance(config, Mapping):
        return overridden(Document({"name": NAMELESS, **plain(config, IN_A_DICT)}, IN_A_DICT, {}), all_overrides)
    if not isinstance(config, str | os.PathLike):
        raise UserError(
            f"config: expected a file, the name of a shipped config, or a dict; received {type(config).__name__}"
        )
    return overridden_document(config_path(Path(config)), all_overrides)


def config_path(name: Path) -> Path:
    """The file that is meant. A shipped name means the shipped config, also where a run has this name: a cell that is
    run twice trains the same twice.
    """
    path = config_file(name)
    return (shipped() | shipped_studies()).get(str(name), path) if is_of_run(path) else path


def as_texts(overrides: Mapping[str, Any]) -> list[str]:
    """Overrides as `--set` takes them: `key=value`."""
    if not isinstance(overrides, Mapping):
        raise UserError(
            'overrides: expected a dict such as {"training.epochs": 5}; received ' + type(overrides).__name__
        )
    return [f"{key}={flow(plain(value, str(key)))}" for key, value in overrides.items()]


def plain(value: Any, where: str, depth: int = 0) -> Any:
    """The value as YAML has it: tuples as lists, NumPy's numbers as Python's, paths as text."""
    if depth > DEEPEST:
        raise UserError(f"{where}: nested deeper than {DEEPEST} levels")
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        value = value.item()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str | int):
                raise UserError(f"{where}: a key must be text; received {key!r}")
        return {str(key): plain(inner, f"{where}.{key}", depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple | range):
        return [plain(inner, f"{where}.{i}", depth + 1) for i, inner in enumerate(value)]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise UserError(
        f"{where}: expected plain values: numbers, text, lists, dicts; received {type(value).__name__}; "
        "samples are read from files: save them with numpy.savez and write data: {name: array, path: FILE}"
    )
