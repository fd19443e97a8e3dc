"""Arrays of a safetensors file are those that are expected, or a message with its path and the remedy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from mlphys.errors import UserError
from mlphys.io import weights_file

KERNEL = np.array([1, -2], np.float32)


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / "w.safetensors"
    path.write_bytes(save({"kernel": KERNEL}))
    return path


def refusal(path: Path, **expected: tuple[int, ...]) -> str:
    with pytest.raises(UserError) as error:
        weights_file.read(path, expected or {"kernel": (2,)}, "name another file")
    assert str(error.value).startswith(f"{path}: ")
    assert str(error.value).endswith("; name another file")
    return str(error.value).removeprefix(f"{path}: ").removesuffix("; name another file")


def test_the_arrays_are_read_as_they_were_written(path):
    np.testing.assert_array_equal(weights_file.read(path, {"kernel": (2,)}, "")["kernel"], KERNEL)


def test_arrays_of_other_names_shapes_and_types_are_refused(path):
    assert refusal(path, kernel=(3,)) == "does not fit the config: kernel has shape (2,), the config says (3,)"
    assert refusal(path, kernel=(2,), z=(1,)) == "does not fit the config: z has shape none, the config says (1,)"
    path.write_bytes(save({"kernel": KERNEL.astype(np.float64)}))
    assert refusal(path) == "does not fit the config: kernel has shape none, the config says (2,)"


def test_values_that_are_not_finite_are_refused(path):
    path.write_bytes(save({"kernel": np.array([1, np.nan], np.float32)}))
    assert refusal(path) == "holds values that are not finite"


def test_what_is_no_such_file_is_refused(path):
    path.write_bytes(b"no weights")
    assert refusal(path).startswith("cannot be read: ")


def test_a_file_larger_than_its_arrays_and_any_header_is_refused(path, monkeypatch):
    monkeypatch.setattr(weights_file, "LARGEST_HEADER", 10)
    assert refusal(path) == "has more than the 18 bytes of the weights that the config says"
