"""What a training writes for TensorBoard, beside the files of its run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mlphys.config.experiment import ResolvedExperiment
from mlphys.data.preprocessing import Preprocessing
from mlphys.errors import NotApplicable
from mlphys.figures import small_images, weight_images
from mlphys.io.event_file import EventFile, Image, Value, event
from mlphys.io.history import BOOKKEEPING
from mlphys.io.run_folder import RunFolder
from mlphys.runs.writer import RunWriter
from mlphys.schema.document import dump
from mlphys.schema.samples import Split
from mlphys.training.checkpoint import Checkpoint

FOLDER = "tensorboard"
NAME = "events.out.tfevents.mlphys"  # TensorBoard reads files whose name contains tfevents
SPLITS = ("train", "validation")  # each a curve in the same chart, as Keras's callback writes them
VALIDATION = "validation_"
APART = 1.25  # images are written at steps that grow by this factor

Filters = Callable[[Mapping[str, np.ndarray]], np.ndarray | None]


class TensorBoard:
    """Passes on what training records to the run's writer, and writes it as events; the step is the row of history."""

    def __init__(self, writer: RunWriter, filters: Filters):
        self._writer, self._filters = writer, filters
        folder = RunFolder(writer.path)
        self._files = {split: EventFile(folder, f"{FOLDER}/{split}/{NAME}") for split in SPLITS}
        self._folder = folder
        self._rows, self._next_image = 0, 1.0

    def begin(self, config: Mapping[str, Any], rows: int) -> None:
        """New files with the config as text, or those of the first `rows` rows."""
        self._rows, self._next_image = rows, rows + 1.0
        for folder in (FOLDER, *(f"{FOLDER}/{split}" for split in SPLITS)):
            self._folder.make(folder)
        for file in self._files.values():
            file.begin(time.time(), rows)
        if not rows:
            text = "".join(f"    {line}\n" for line in dump(dict(config)).splitlines())  # Markdown's code
            self._add("train", {"config": text}, 0)

    def snapshot(self, epoch: int, weights: Mapping[str, np.ndarray]) -> None:
        self._writer.snapshot(epoch, weights)

    def row(self, row: Mapping[str, Any]) -> None:
        self._writer.row(row)
        self._rows += 1
        numbers = {name: value for name, value in row.items() if name not in BOOKKEEPING or name == "learning_rate"}
        finite = {name: float(value) for name, value in numbers.items() if value is not None and math.isfinite(value)}
        train = {_tag(name): value for name, value in finite.items() if not name.startswith(VALIDATION)}
        validation = {
            _tag(name.removeprefix(VALIDATION)): value for name, value in finite.items() if name.startswith(VALIDATION)
        }
        self._add("train", train, self._rows)
        self._add("validation", validation, self._rows)

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        self._writer.checkpoint(checkpoint)
        if checkpoint.rows < self._next_image:
            return
        prefix = "weights/"
        weights = {
            name.removeprefix(prefix): value for name, value in checkpoint.tensors.items() if name.startswith(prefix)
        }
        pixels = self._filters(weights)
        if pixels is not None:
            self._add("train", {"filters": _image(pixels)}, checkpoint.rows)
        self._next_image = max(checkpoint.rows + 1, APART * checkpoint.rows)

    def reconstructions(self, fitted: Preprocessing, split: Split, predictions: Mapping[str, np.ndarray]) -> None:
        """Samples of the validation split above their reconstructions, at the last step; nothing without images."""
        if "reconstructions" not in predictions:
            return
        some = fitted.inputs(split.at(slice(small_images.MOST_SAMPLES)).some(small_images.MOST_SAMPLES)).x
        x, below = (fitted.inverse(np.asarray(z)) for z in (some, predictions["reconstructions"][: len(some)]))
        if x.ndim == 4 and x.shape[-1] in (1, 3):
            self._add("validation", {"reconstructions": _image(small_images.pairs(x, below))}, self._rows)

    def _add(self, split: str, values: Mapping[str, Value], step: int) -> None:
        now = time.time()
        if events := b"".join(event(tag, value, step, now) for tag, value in values.items()):
            self._files[split].append(events)


def begun(
    writer: RunWriter, loaded: ResolvedExperiment, fitted: Preprocessing, start: Checkpoint | None
) -> TensorBoard | None:
    """What writes events, if the config wants them; `start` is the checkpoint that training goes on from."""
    if not loaded.experiment.training.tensorboard:
        return None
    board = TensorBoard(writer, filters_of(loaded, fitted))
    board.begin(loaded.experiment.model_dump(), start.rows if start else 0)
    return board


def filters_of(loaded: ResolvedExperiment, fitted: Preprocessing) -> Filters:
    """The weights of the first layer whose weights are images, as pixels; None for networks without one."""
    try:
        layer = weight_images.chosen(loaded, None, 2)
    except NotApplicable:
        return lambda weights: None

    def pixels(weights: Mapping[str, np.ndarray]) -> np.ndarray | None:
        if layer.kernel not in weights:
            return None
        images = weight_images.as_images(layer, weights[layer.kernel], fitted)
        return small_images.kernels(images.reshape(-1, *images.shape[2:]))

    return pixels


def _tag(name: str) -> str:
    """TensorBoard groups charts by what precedes a slash."""
    return name.replace(".", "/", 1)


def _image(pixels: np.ndarray) -> Image:
    return Image(pixels.shape[1], pixels.shape[0], small_images.png(pixels))
