"""The data files of scikit-learn, without importing it, which takes seconds."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from mlphys.errors import UserError


def data_file(*parts: str) -> Path:
    """The path of a file below sklearn/datasets. Raises UserError where this scikit-learn has none."""
    package = find_spec("sklearn")
    for folder in (package and package.submodule_search_locations) or ():
        path = Path(folder, "datasets", *parts)
        if path.is_file():
            return path
    raise UserError(f"scikit-learn has no datasets/{'/'.join(parts)}; install the scikit-learn that mlphys requires")
