"""Another labelled set in the units of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.commands.labelled_set import LabelledSet, in_units
from mlphys.schema.samples import Split
from mlphys.schema.units import Units

RAW = np.array([[0, 100, 1000]])


@pytest.mark.parametrize(
    ("trained", "own", "expected"),
    [
        (Units("uint16", 4095.0), Units("uint16", 1023.0), RAW / 4095),
        (Units("float64", 3.0, given=True), Units("float64", 1.0), RAW / 3),
        (Units("float64", offset=(900.0,)), Units("float64", offset=(500.0,)), RAW - 900),
        (Units("float32"), Units("float32"), RAW),
        (Units("uint16", 4095.0), Units("float32"), RAW),  # a file of floats holds pixels divided already
    ],
)
def test_samples_of_another_set_are_read_as_the_training_file_was(trained: Units, own: Units, expected: np.ndarray):
    read = own.converted(RAW.astype(own.dtype))
    assert in_units(trained.as_json(), Path("new.npz"), own, read) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_a_run_without_units_takes_samples_as_they_are_read():
    x = RAW.astype(np.float32)
    assert in_units(None, Path("new.npz"), Units("float32"), x) is x


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("photos/test", "evaluation_photos_test"),
        ("test", "evaluation_test"),
        ("../new.h5", "evaluation_new.h5"),
        ("/a b/../ä.npz", "evaluation_a_b_.._.npz"),
    ],
)
def test_its_numbers_are_filed_under_its_own_name(path: str, name: str):
    assert LabelledSet(Path(path), Split(np.zeros((0, 1)), np.zeros(0))).name == name
