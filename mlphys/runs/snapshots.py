"""snapshots.safetensors: the weights after some epochs, by `EPOCH/NAME`; during training a file for each epoch."""

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
OF_ONE_EPOCH = re.compile(r"snapshots-([0-9]{6})\.safetensors")

Snapshots = dict[int, dict[str, np.ndarray]]


class SnapshotFile:
    """Each snapshot is a file of its own, written once, until training ends and all are written into one.

    Every file is written whole or not at all and none is removed before its content is in the other, so that those
    taken so far can be read at any time.
    """

    def __init__(self, folder: RunFolder):
        self._folder = folder

    def add(self, epoch: int, weights: Mapping[str, np.ndarray]) -> None:
        self._write(f"snapshots-{epoch:06d}.safetensors", {epoch: as_saved(weights)})

    def join(self) -> None:
        """Write those of single epochs and those of an earlier training into one file."""
        if single := of_single_epochs(self._folder):
            arrays = {
                name: value for file in files(self._folder) for name, value in _loaded(self._folder, file).items()
            }
            self._save(SNAPSHOTS, arrays)
            for name in single.values():
                self._folder.remove(name)

    def cut(self, last: int, shapes: Mapping[str, Shape]) -> None:
        """Continue with the snapshots up to an epoch; those after it are taken again. Raises UserError."""
        known = read(self._folder, shapes)
        if self._folder.has(SNAPSHOTS) and any(epoch > last for epoch in known):
            self._write(SNAPSHOTS, {epoch: known[epoch] for epoch in known if epoch <= last})
        for epoch, name in of_single_epochs(self._folder).items():
            if epoch > last:
                self._folder.remove(name)

    def remove(self) -> None:
        for name in files(self._folder):
            self._folder.remove(name)

    def _write(self, name: str, snapshots: Snapshots) -> None:
        self._save(
            name, {f"{epoch:06d}/{key}": value for epoch, each in snapshots.items() for key, value in each.items()}
        )

    def _save(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        from safetensors.numpy import save

        self._folder.write(name, save(dict(arrays)))


def of_single_epochs(folder: RunFolder) -> dict[int, str]:
    """The files of a training that is not finished, by epoch."""
    return {int(match[1]): name for name in folder.names() if (match := OF_ONE_EPOCH.fullmatch(name))}


def files(folder: RunFolder) -> list[str]:
    """The names of all files with snapshots."""
    return [*([SNAPSHOTS] if folder.has(SNAPSHOTS) else []), *of_single_epochs(folder).values()]


def read(folder: RunFolder, shapes: Mapping[str, Shape]) -> Snapshots:
    """The weights by epoch, in ascending order; none without a file of them.

    Raises UserError unless each snapshot has arrays of these shapes.
    """
    path, names, weights = folder.path / SNAPSHOTS, files(folder), dict[str, np.ndarray]()
    if len(names) > MOST_SNAPSHOTS + 2:
        raise UserError(f"{path}: damaged: there are {len(names)} files of snapshots; {REMEDY}")
    for name in names:
        weights |= _loaded(folder, name, LARGEST_SNAPSHOTS - sum(value.nbytes for value in weights.values()))
    epochs = sorted({name.partition("/")[0] for name in weights})
    if len(epochs) > MOST_SNAPSHOTS + 1 or not all(re.fullmatch(r"[0-9]{6}", epoch) for epoch in epochs):
        raise UserError(f"{path}: damaged: its arrays are not named after epochs; {REMEDY}")
    expected = {f"{epoch}/{name}": shape for epoch in epochs for name, shape in shapes.items()}
    arrays = weights_file.checked(weights, path, expected, "config.yaml", REMEDY)
    return {int(epoch): {name: arrays[f"{epoch}/{name}"] for name in shapes} for epoch in epochs}


def _loaded(folder: RunFolder, name: str, room: int = LARGEST_SNAPSHOTS) -> dict[str, np.ndarray]:
    content = folder.read(name, max(room, 0) + weights_file.LARGEST_HEADER)
    return weights_file.loaded(content, folder.path / name, REMEDY)
