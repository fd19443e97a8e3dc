"""snapshots.safetensors: the weights after some epochs, by `EPOCH/NAME`."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from mlphys.errors import UserError
from mlphys.io import weights_file
from mlphys.io.run_files import SNAPSHOTS
from mlphys.io.run_folder import RunFolder
from mlphys.numerics.memory_layout import as_saved
from mlphys.schema.fields import Shape
from mlphys.schema.training import LARGEST_SNAPSHOTS, MOST_SNAPSHOTS

REMEDY = "retrain the experiment"

Snapshots = dict[int, dict[str, np.ndarray]]


class SnapshotFile:
    """Written as a whole after each snapshot, so that it is always readable."""

    def __init__(self, folder: RunFolder):
        self._folder = folder
        self._kept: Snapshots = {}

    def add(self, epoch: int, weights: Mapping[str, np.ndarray]) -> None:
        self._kept[epoch] = as_saved(weights)
        self._write()

    def cut(self, last: int, shapes: Mapping[str, Shape]) -> None:
        """Continue with the snapshots up to an epoch; those after it are taken again. Raises UserError."""
        self._kept = {}
        if self._folder.has(SNAPSHOTS):
            self._kept = {epoch: each for epoch, each in read(self._folder, shapes).items() if epoch <= last}
            self._write()

    def remove(self) -> None:
        self._kept = {}
        self._folder.remove(SNAPSHOTS)

    def _write(self) -> None:
        from safetensors.numpy import save

        arrays = {f"{epoch:06d}/{name}": value for epoch, each in self._kept.items() for name, value in each.items()}
        self._folder.write(SNAPSHOTS, save(arrays))


def read(folder: RunFolder, shapes: Mapping[str, Shape]) -> Snapshots:
    """The weights by epoch, in ascending order. Raises UserError unless each snapshot has arrays of these shapes."""
    path = folder.path / SNAPSHOTS
    content = folder.read(SNAPSHOTS, LARGEST_SNAPSHOTS + weights_file.LARGEST_HEADER)
    found = weights_file.loaded(content, path, REMEDY)
    epochs = sorted({name.partition("/")[0] for name in found})
    if len(epochs) > MOST_SNAPSHOTS + 1 or not all(re.fullmatch(r"[0-9]{6}", epoch) for epoch in epochs):
        raise UserError(f"{path}: damaged: its arrays are not named after epochs; {REMEDY}")
    expected = {f"{epoch}/{name}": shape for epoch in epochs for name, shape in shapes.items()}
    arrays = weights_file.checked(found, path, expected, "config.yaml", REMEDY)
    return {int(epoch): {name: arrays[f"{epoch}/{name}"] for name in shapes} for epoch in epochs}
