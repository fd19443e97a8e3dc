"""Provenance: load the data of a run and verify it against data.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlphys.config.experiment import ResolvedExperiment
from mlphys.data import splits
from mlphys.errors import UserError
from mlphys.io import checksum
from mlphys.schema.samples import Splits


class OtherData(UserError):
    """The samples found are not those that a run was trained with."""


def dataset(run: Path, loaded: ResolvedExperiment, facts: Mapping[str, Any], path: str | None = None) -> Splits:
    """The samples of the run at `run`, verified against `facts` from data.json.

    `path` names where the data is now. Raises OtherData when it is not the same data.
    """
    data = loaded.experiment.data
    if path is not None:
        if not data.PATH_KEYS:
            if Path(path).exists():
                raise OtherData(f"--data: {data.name} is located by its name; leave --data out")
            where = "set MLPHYS_DATA to the folder it is in" if data.sources() else "leave --data out"
            raise UserError(f"--data: {data.name} is located by its name; {where}")
        data = data.model_copy(update={"path": path})
        loaded = replace(loaded, experiment=loaded.experiment.model_copy(update={"data": data}))
    used = data.files()
    if len(used) != len(facts["files"]):
        names = ", ".join(map(str, used)) or "none"
        raise OtherData(
            f"{run}: was trained with {len(facts['files'])} files of data; received {names}; "
            "name the same with --data PATH, or retrain the experiment"
        )
    for file, recorded in zip(used, facts["files"], strict=True):
        if not file.exists():
            raise UserError(f"{file}: no such file any more; give its new path with --data PATH")
        try:
            checksum.verify(file, recorded)
        except UserError as error:
            raise OtherData(str(error)) from None
    try:
        samples = loaded.dataset()
    except UserError as error:
        raise OtherData(str(error)) from None
    hashes = splits.summary(samples, data, loaded.description)["splits"]
    for name, split in facts["splits"].items():
        if split["sha256"] != hashes[name]["sha256"]:
            raise OtherData(
                f"{run}: the {name} samples of {data.name} are not those it was trained with "
                "(sha256 differs); retrain the experiment"
            )
    return samples
