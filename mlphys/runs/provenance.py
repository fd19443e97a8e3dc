"""The data that a run was trained on, found again and compared with what data.json says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlphys.config.experiment import ResolvedExperiment
from mlphys.data import splits
from mlphys.errors import UserError
from mlphys.io import checksum
from mlphys.schema.data import Splits


def dataset(run: Path, loaded: ResolvedExperiment, facts: Mapping[str, Any], path: str | None = None) -> Splits:
    """The samples of the run at `run`, whose data.json holds `facts`.

    `path` names where the data is now. Raises UserError when it is not the same data.
    """
    data = loaded.experiment.data
    if path is not None:
        if "path" not in type(data).model_fields:
            where = "set MLPHYS_DATA to the folder it is in" if data.sources() else "leave --data out"
            raise UserError(f"--data: {data.name} is found by its name; {where}")
        data = data.model_copy(update={"path": path})
        loaded = replace(loaded, experiment=loaded.experiment.model_copy(update={"data": data}))
    used = data.files()
    if len(used) != len(facts["files"]):
        found = ", ".join(map(str, used)) or "none"
        raise UserError(
            f"{run}: was trained with {len(facts['files'])} files of data; received {found}; "
            "name the same with --data PATH, or retrain the experiment"
        )
    for file, recorded in zip(used, facts["files"], strict=True):
        if not file.exists():
            raise UserError(f"{file}: no such file any more; name where it is now with --data PATH")
        checksum.verify(file, recorded)
    samples = loaded.dataset()
    hashes = splits.summary(samples, data, loaded.description)["splits"]
    for name, split in facts["splits"].items():
        if split["sha256"] != hashes[name]["sha256"]:
            raise UserError(
                f"{run}: the {name} samples of {data.name} are not those it was trained with "
                "(sha256 differs); retrain the experiment"
            )
    return samples
