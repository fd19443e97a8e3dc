"""Whether a checkpoint belongs to the config, data and versions with which training would resume."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from mlphys import machine
from mlphys.config.experiment import ResolvedExperiment

# Keys that are left out of fingerprints where they are null: older checkpoints do not know them
LATER = ("folds", "fold", "split", "target_scaling", "weights", "negative_weights", "reduce_lr_on_plateau")


def fingerprints(loaded: ResolvedExperiment, data: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 of the config that decides the weights, of the data and of the versions that a checkpoint depends on."""
    config = loaded.experiment.model_dump(include={"seed", "data", "model", "training"})
    config["training"]["epochs"] = None
    for key in ("tensorboard", "snapshots"):  # what is kept of a training changes none of it
        del config["training"][key]
    for block in ("data", "training"):
        config[block] = {key: value for key, value in config[block].items() if key not in LATER or value is not None}
    hashes = {name: facts["sha256"] for name, facts in data["splits"].items()}
    return {"config": _sha256(config), "data": _sha256(hashes), **machine.versions()}


def mismatch(saved: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    """Why training cannot resume from a checkpoint with the fingerprints `saved`, and the remedy; None if it can."""
    packages = [name for name in machine.versions() if saved.get(name) != now[name]]
    if packages:
        had, have = ([f"{name} {of.get(name, '(not recorded)')}" for name in packages] for of in (saved, now))
        versions = " ".join(f"{name}=={saved[name]}" for name in packages if name in saved)
        return (
            f"its checkpoints were made with {', '.join(had)}, installed is {', '.join(have)}, which may give "
            f"other numbers; {f'`pip install {versions}`' if versions else 'install what environment.json names'} "
            "to resume, or retrain it"
        )
    return None if saved == now else "its checkpoints belong to another config or other data; retrain it"


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
