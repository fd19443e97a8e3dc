"""Untrusted run files: located, size-limited and validated."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, Field, FiniteFloat, ValidationError

from mlphys.errors import UserError
from mlphys.io import weights_file
from mlphys.io.run_folder import RunFolder
from mlphys.schema import fields
from mlphys.schema.data import Description
from mlphys.schema.document import Document, decoded, dotted
from mlphys.schema.fields import Shape

WEIGHTS, PRETRAINED = "weights.safetensors", "initial.safetensors"
SAMPLES, PAGE = "samples.npz", "report.html"  # what the page shows, and the page
TEST_EVALUATIONS = "test_evaluations.csv"
SNAPSHOTS = "snapshots.safetensors"  # the weights after some epochs
LARGEST_TEXT = 32_000_000  # bytes of JSON: the metrics of ten thousand classes
LARGEST_CONFIG = 2_000_000  # bytes of a run's config.yaml: tables of 20,000 columns, kernels of 250 x 250
LONGEST_NAME = 5000  # characters of a class or a path


def _is_text(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("is no text")
    if len(value) > LONGEST_NAME:
        raise ValueError(f"is longer than {LONGEST_NAME} characters")
    return value


def _is_text_or_number(value: Any) -> Any:
    return value if type(value) is int else _is_text(value)


Count = Annotated[fields.Count, Field(strict=True)]  # JSON's true is no number
Whole = Annotated[fields.Whole, Field(strict=True)]

# Names of files and folders can hold bytes that are no UTF-8, which pydantic's own text cannot.
Text = Annotated[Any, AfterValidator(_is_text)]
TextOrNumber = Annotated[Any, AfterValidator(_is_text_or_number)]


class SplitFacts(BaseModel):
    """The entry of a split in data.json."""

    samples: Whole
    class_counts: dict[Text, Whole]
    sha256: str


class TrainFacts(SplitFacts):
    """The entry of the training split, with minimum and maximum, which runs of earlier versions lack."""

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
    classes: list[Text]
    samples: Count
    test_samples: Count | None
    target_shape: list[Whole] = []
    validation_samples: Count | None = None
    units: UnitsFacts | None = None
    target_units: UnitsFacts | None = None
    splits: Splits
    files: list[dict[str, TextOrNumber]]


class StatusFile(BaseModel):
    """The content of status.json."""

    state: Literal["running", "interrupted", "diverged", "done"]
    phase: str | None
    epochs: Whole
    best_epoch: Whole | None
    stopped: Literal["early_stopping", "epochs", "target"] | None


class RunFiles:
    """The validated content of a run's files. Raises UserError with the file's name if one is missing or damaged."""

    def __init__(self, path: Path):
        self.path = path
        self.folder = RunFolder(path)

    @cached_property
    def document(self) -> Document:
        path = self.path / "config.yaml"
        return decoded(self.folder.read("config.yaml", LARGEST_CONFIG), str(path), LARGEST_CONFIG)

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

    def tensors(self, name: str, expected: Mapping[str, Shape]) -> dict[str, np.ndarray]:
        """The float32 arrays of a safetensors file. Raises UserError unless shapes match and all are finite."""
        path = self.path / name
        content = self.folder.read(name, weights_file.largest(path, expected))
        return weights_file.arrays(content, path, expected, "config.yaml", "retrain the experiment")

    def _checked(self, name: str, content: type[BaseModel]) -> dict[str, Any]:
        try:
            return content.model_validate(self._json(name)).model_dump()
        except ValidationError as error:
            first = error.errors()[0]
            where = dotted(first["loc"])
            why = str(first.get("ctx", {}).get("error", "")) or "is missing or wrong"
            raise UserError(f"{self.path / name}: damaged: {where} {why}; retrain the experiment") from None
        except UnicodeEncodeError:  # pydantic raises it for an unknown key with half of a surrogate pair
            raise UserError(f"{self.path / name}: damaged: a key is no text in UTF-8; retrain the experiment") from None

    def _json(self, name: str) -> dict[str, Any]:
        try:
            value = json.loads(self._text(name))
        except (ValueError, RecursionError):
            raise UserError(f"{self.path / name}: damaged: not readable as JSON") from None
        if not isinstance(value, dict):
            raise UserError(f"{self.path / name}: damaged: expected an object of keys")
        return value

    def _text(self, name: str, largest: int = LARGEST_TEXT) -> str:
        return self.folder.read(name, largest).decode("utf-8", errors="replace")


def require_readable(config: str, data: Mapping[str, Any]) -> None:
    """Raise UserError unless a run with this config.yaml and data.json can be read when it is trained."""
    if (size := len(config.encode())) > LARGEST_CONFIG:
        raise UserError(
            f"the complete config has {size:,} bytes, more than the {LARGEST_CONFIG:,} of a run's config.yaml; "
            "name fewer columns, layers or numbers of kernels"
        )
    if (size := len(json.dumps(data))) > LARGEST_TEXT:
        raise UserError(f"data.json would have {size:,} bytes, more than {LARGEST_TEXT:,}; name fewer classes or files")
    long = max(data["classes"], key=len, default="")
    if len(long) > LONGEST_NAME:
        raise UserError(
            f"a class has a name of {len(long):,} characters, more than {LONGEST_NAME:,}: {long[:20]}...; shorten it"
        )
    document = decoded(config.encode(), "config.yaml", LARGEST_CONFIG)
    try:
        json.dumps(document.data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise UserError("a path of the config holds bytes that are no UTF-8; rename that file or folder") from None


def located(name: str, root: Path = Path("runs")) -> Path | None:
    """The folder of the run at a path, or the newest run of a name under `root`; None if there is none."""
    for path in (Path(name), root / name):
        if os.path.exists(path / "config.yaml"):  # unlike Path.exists, it accepts names of any length
            return path
        if runs := members(path):
            return runs[-1]
    return None


def members(folder: Path) -> list[Path]:
    """The run directories `folder`/1, `folder`/2, ... in this order; none that is a link to one elsewhere."""
    if not os.path.isdir(folder):
        return []
    try:
        numbered = [path for path in folder.iterdir() if re.fullmatch("[0-9]{1,9}", path.name)]
    except OSError:  # another user's, among one's own
        return []
    paths = [path for path in numbered if not path.is_symlink() and os.path.lexists(path / "config.yaml")]
    return sorted(paths, key=lambda path: int(path.name))
