"""The files of a run directory, which may be a stranger's: found, bounded, and held against what they should be."""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, Field, FiniteFloat, ValidationError

from mlphys.errors import UserError
from mlphys.io import memory
from mlphys.schema.data import Description
from mlphys.schema.document import Document, dotted, read
from mlphys.schema.fields import Count, Shape, Whole

WEIGHTS, PRETRAINED = "weights.safetensors", "initial.safetensors"
LARGEST_TEXT = 2_000_000  # bytes of JSON


def _printable(name: str) -> str:
    if not name.isprintable():  # it goes to the terminal
        raise ValueError
    return name


class SplitFacts(BaseModel):
    """What data.json holds of a split."""

    samples: Whole
    class_counts: dict[str, Whole]
    sha256: str


class TrainFacts(SplitFacts):
    """With the smallest and the largest value, which runs of earlier versions lack."""

    range: Annotated[list[FiniteFloat], Field(min_length=2, max_length=2)] | None = None


class Splits(BaseModel):
    """The three splits of data.json."""

    train: TrainFacts
    validation: SplitFacts
    test: SplitFacts


class UnitsFacts(BaseModel):
    """What the numbers of the files meant."""

    dtype: Annotated[str, Field(max_length=20, pattern="^[<>|=a-zA-Z0-9]*$")]
    scale: Annotated[FiniteFloat, Field(gt=0)]
    given: bool
    offset: Annotated[list[FiniteFloat], Field(max_length=1000)]
    fill: list[FiniteFloat] = []


class DataFile(BaseModel):
    """The content of data.json."""

    name: str
    shape: Annotated[list[Count], Field(min_length=1)]
    classes: list[Annotated[str, AfterValidator(_printable)]]
    samples: Count
    test_samples: Count | None
    target_shape: list[Whole] = []
    validation_samples: Count | None = None
    units: UnitsFacts | None = None
    target_units: UnitsFacts | None = None
    splits: Splits
    files: list[dict[str, str | int]]


class StatusFile(BaseModel):
    """The content of status.json."""

    state: Literal["running", "interrupted", "diverged", "done"]
    phase: str | None
    epochs: Whole
    best_epoch: Whole | None
    stopped: Literal["early_stopping", "epochs", "target"] | None


class RunFiles:
    """What a run's files say of themselves. Each raises UserError, with its name, when it is missing or damaged."""

    def __init__(self, path: Path):
        self.path = path

    @cached_property
    def document(self) -> Document:
        self._regular(self.path / "config.yaml")
        return read(self.path / "config.yaml")

    @cached_property
    def description(self) -> Description:
        data = self.data
        return Description(
            tuple(data["shape"]),
            tuple(data["classes"]),
            data["samples"],
            data["test_samples"],
            tuple(data["target_shape"]),
            data["validation_samples"],
        )

    @cached_property
    def data(self) -> dict[str, Any]:
        return self._checked("data.json", DataFile)

    @property
    def status(self) -> dict[str, Any]:
        return self._checked("status.json", StatusFile)

    def tensors(self, name: str, wanted: Mapping[str, Shape]) -> dict[str, np.ndarray]:
        """The float32 arrays of a safetensors file. Raises UserError unless they are finite and just those wanted."""
        from safetensors import SafetensorError, safe_open

        path = self.path / name
        self._regular(path)
        needed = 4 * sum(math.prod(shape) for shape in wanted.values())
        memory.require(str(path), needed, "open it on a machine with more memory")
        try:
            with safe_open(path, framework="numpy") as file:
                slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a dict
                shapes = {name: tuple(held.get_shape()) for name, held in slices.items() if held.get_dtype() == "F32"}
                if shapes != wanted:
                    name = sorted(set(shapes.items()) ^ set(wanted.items()))[0][0]
                    raise UserError(
                        f"{path}: does not fit config.yaml: {name} has shape {shapes.get(name, 'none')}, "
                        f"the config says {wanted.get(name, 'none')}; retrain the experiment"
                    )
                arrays = {name: file.get_tensor(name) for name in wanted}
        except (OSError, SafetensorError) as error:
            raise UserError(f"{path}: cannot be read: {error}; retrain the experiment") from None
        if not all(np.isfinite(value).all() for value in arrays.values()):
            raise UserError(f"{path}: holds values that are not finite; retrain the experiment")
        return arrays

    def _checked(self, name: str, content: type[BaseModel]) -> dict[str, Any]:
        try:
            return content.model_validate(self._json(name)).model_dump()
        except ValidationError as error:
            where = dotted(error.errors()[0]["loc"])
            raise UserError(
                f"{self.path / name}: damaged: {where} is missing or wrong; retrain the experiment"
            ) from None

    def _json(self, name: str) -> dict[str, Any]:
        try:
            value = json.loads(self._text(name))
        except (ValueError, RecursionError):
            raise UserError(f"{self.path / name}: damaged: not readable as JSON") from None
        if not isinstance(value, dict):
            raise UserError(f"{self.path / name}: damaged: expected an object of keys")
        return value

    def _text(self, name: str, largest: int = LARGEST_TEXT) -> str:
        path = self.path / name
        self._regular(path)
        try:
            with path.open("rb") as file:
                content = file.read(largest + 1)
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from None
        if len(content) > largest:
            raise UserError(f"{path}: larger than {largest} bytes, so not the file of a run")
        return content.decode("utf-8", errors="replace")

    def _regular(self, path: Path) -> None:
        try:
            mode = path.stat().st_mode
        except OSError:
            raise UserError(f"{path}: not there; {self.path} is not a run, or an unfinished one") from None
        if not stat.S_ISREG(mode):
            raise UserError(f"{path}: not a regular file")


def located(name: str, root: Path = Path("runs")) -> Path | None:
    """The folder of the run at a path, or of a name under `root`, its newest; None where there is none."""
    for path in (Path(name), root / name):
        if os.path.exists(path / "config.yaml"):  # unlike Path's own, it answers for names of any length
            return path
        if found := members(path):
            return found[-1]
    return None


def members(folder: Path) -> list[Path]:
    """The run directories `folder`/1, `folder`/2, ... in this order."""
    if not os.path.isdir(folder):
        return []
    paths = [path for path in folder.iterdir() if path.name.isdecimal() and (path / "config.yaml").is_file()]
    return sorted(paths, key=lambda path: int(path.name))
