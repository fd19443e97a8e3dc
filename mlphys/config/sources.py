"""Where a config is: a file, a run, or one that comes with mlphys."""

from __future__ import annotations

import os
from pathlib import Path

from mlphys.config.shipped import shipped, shipped_studies
from mlphys.io.run_files import located


def config_file(name: Path) -> Path:
    """The file that is meant: `name` itself, name.yaml, the config of a run, or a shipped one, the first that is there.

    A name that is none of them is returned as it is, for the message of the reader.
    """
    if os.path.isfile(name):
        return name
    beside = name.with_name(f"{name.name}.yaml") if name.name else name
    if not name.suffix and os.path.isfile(beside):
        return beside
    if run := located(str(name)):
        return run / "config.yaml"
    return (shipped() | shipped_studies()).get(str(name), name)


def is_of_run(path: Path) -> bool:
    """Whether the file is the config of a run directory."""
    return path.name == "config.yaml" and os.path.isfile(path.with_name("data.json"))
