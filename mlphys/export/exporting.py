"""A trained net as a file of another program, tried there on samples of the run before it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlphys.errors import UserError
from mlphys.export.format import Format
from mlphys.export.outputs import PARTS, WHOLE, require
from mlphys.io import atomic
from mlphys.numerics import chunked
from mlphys.runs import page_samples
from mlphys.runs.run import Run
from mlphys.schema import registry
from mlphys.schema.fields import Shape
from mlphys.schema.suggestions import require_known

SAMPLES = 100  # on which every export is tried
CLOSE = 1e-5  # of an output's largest value
# Float32 has 6e-8, which a division by the spread of a direction of hardly any variance multiplies
CLOSE_AFTER_WHITENING = 1e-4


@dataclass(frozen=True)
class Exported:
    """The content of a file, and how it was tried: with which program, on how many samples of which split, and the
    largest difference of an output from the run's, relative to its largest value."""

    path: Path
    run: Run
    part: str
    input_shape: Shape
    output_shapes: Mapping[str, Shape]
    program: str
    samples: int
    split: str
    difference: float
    content: bytes

    @property
    def card(self) -> Path:
        return card_of(self.path)


def card_of(path: Path) -> Path:
    """The model card beside a file."""
    return path.with_name(f"{path.name}.md")


def formats() -> dict[str, type[Format]]:
    """The formats by name."""
    return registry.entries("mlphys.export.formats", Format)


def export(run: Run, format_name: str, out: Path | None = None, part: str = WHOLE) -> Exported:
    """The net of a run as the content of a new file, `out` or one in this folder that is named after the run.

    Raises UserError for a part that the kind of model lacks, a package that is missing, a file that exists, and where
    the other program gives other numbers.
    """
    require_known("format", [format_name], list(formats()))
    require_known("part", [part], list(PARTS))
    written = formats()[format_name]()
    written.require()
    names = require(run, part)
    path = out or Path(f"{run.name.replace('/', '_')}{'' if part == WHOLE else f'_{part}'}{written.ending}")
    if path.suffix != written.ending:
        raise UserError(f"{path}: a file of {format_name} ends in {written.ending}; name it so")
    for each in (path, card_of(path)):
        atomic.new(each)
    split, x = samples_of(run)
    inputs = np.ascontiguousarray(PARTS[part].inputs(run, x), np.float32)
    all_expected = PARTS[part].expected(run, inputs)
    expected = {name: all_expected[name] for name in names}
    writer = written.writer(path.stem)
    content = writer.content(PARTS[part].write(run, writer, writer.input(PARTS[part].input_shape(run))))
    difference = furthest(expected, written.outputs(content, inputs, list(names)))
    _require_close(path, run, difference, written.program())
    shapes = {name: array.shape[1:] for name, array in expected.items()}
    return Exported(path, run, part, inputs.shape[1:], shapes, written.program(), len(x), split, difference, content)


def save(exported: Exported, card: str) -> None:
    """Write the file, and its model card beside it."""
    atomic.write(exported.path, exported.content)
    atomic.write(exported.card, card)


def samples_of(run: Run) -> tuple[str, np.ndarray]:
    """A split and samples of it: those that the run keeps for its page, else the first that were not trained on."""
    if samples := page_samples.read(run):
        return samples.split, samples.x[:SAMPLES]
    dataset = run.dataset()
    split = "validation" if len(dataset.validation) else "train"
    x = (dataset.validation if len(dataset.validation) else dataset.train).x
    return split, chunked.read(x[:SAMPLES])


def furthest(expected: Mapping[str, np.ndarray], got: Mapping[str, np.ndarray]) -> float:
    """The largest difference of all outputs, each relative to its largest value; infinite for other shapes.

    Targets are compared one by one, as they may be of very different size.
    """
    differences = [0.0]
    for name, values in expected.items():
        if got[name].shape != values.shape or not np.isfinite(got[name]).all():
            return float("inf")
        axes = 0 if name == "outputs" and values.ndim == 2 else None
        largest = np.abs(values).max(axis=axes, initial=0)
        difference = np.abs(got[name].astype(np.float64) - values).max(axis=axes, initial=0)
        differences.append(float((difference / np.where(largest > 0, largest, 1)).max()))
    return max(differences)


def _require_close(path: Path, run: Run, difference: float, program: str) -> None:
    whitened = any("scales" in arrays for arrays in run.preprocessing.arrays)
    allowed = CLOSE_AFTER_WHITENING if whitened else CLOSE
    if difference <= allowed:
        return
    raise UserError(
        f"{path}: not written: {program} gives numbers that differ from those of {run.path} by {difference:.2g} of "
        f"the largest one, more than {allowed:g}; float32 does not hold this net's numbers well enough: train it on "
        "data of a scale near 1 (preprocess: [standardize])"
    )
