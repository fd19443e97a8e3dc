"""Keras's files are data with bounds: archives of any kind of damage, and arrays of other shapes, are refused."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from mlphys.errors import UserError
from mlphys.io import keras_file

KERNEL = np.arange(6, dtype="f4").reshape(2, 3)
PLACE = "layers/dense/vars/0"
AGAIN = "write it again with model.save('name.keras') in Keras 3"


def hdf5(**arrays: np.ndarray) -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for name, values in ({PLACE: KERNEL} | arrays).items():
            file[name] = values
    return content.getvalue()


@pytest.fixture
def keras(tmp_path, monkeypatch):
    """A function that writes net.keras with these members."""
    monkeypatch.chdir(tmp_path)

    def write(members: dict[str, bytes], packed: int = zipfile.ZIP_STORED) -> Path:
        with zipfile.ZipFile("net.keras", "w", packed) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return Path("net.keras")

    return write


def message(call: object, *arguments: object) -> str:
    with pytest.raises(UserError) as refused:
        call(*arguments)
    return str(refused.value)


def test_architecture_version_and_weights_are_read(keras):
    metadata = json.dumps({"keras_version": "3.15.1"}).encode()
    path = keras({"config.json": b'{"a": 1}', "metadata.json": metadata, "model.weights.h5": hdf5()})
    assert keras_file.architecture(path) == {"a": 1}
    assert keras_file.version(path) == "3.15.1"
    np.testing.assert_array_equal(keras_file.weights(path, {PLACE: (2, 3)})[PLACE], KERNEL)


def test_a_text_larger_than_any_model_s_is_not_parsed(tmp_path, monkeypatch):
    path = tmp_path / "net.json"
    path.write_text('{"a": 1}')
    assert keras_file.architecture(path) == {"a": 1}
    monkeypatch.setattr(keras_file, "LARGEST_CONFIG", 5)
    assert message(keras_file.architecture, path) == f"{path}: larger than 5 bytes, so not a model's"


def test_a_version_that_is_no_version_is_none(keras):
    metadata = json.dumps({"keras_version": "3\n- x"}).encode()
    assert keras_file.version(keras({"config.json": b"{}", "metadata.json": metadata})) == ""


def test_the_older_format_is_refused_with_the_line_that_converts_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.h5").write_bytes(hdf5())
    assert message(keras_file.architecture, Path("net.h5")) == (
        "net.h5: is Keras's older HDF5 format, which can run code when it is opened, so it is not; if you trust it: "
        "keras.saving.load_model('net.h5').save('net.keras')"
    )


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"import os", b"[1]"])
def test_what_is_neither_an_archive_nor_a_model_as_text_is_refused(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    Path("net.keras").write_bytes(content)
    expected = f"net.keras: neither a .keras file nor the text of model.to_json(); {AGAIN}"
    assert message(keras_file.architecture, Path("net.keras")) == expected


def test_what_is_missing_or_a_folder_is_refused(tmp_path):
    assert "no such file" in message(keras_file.architecture, tmp_path / "net.keras")
    assert message(keras_file.architecture, tmp_path) == f"{tmp_path}: is a folder; name a file in it"


@pytest.mark.parametrize("kept", [4, 30, 200, -1])
def test_a_truncated_archive_is_refused(keras, kept):
    path = keras({"config.json": b'{"a": 1}', "model.weights.h5": hdf5()})
    path.write_bytes(path.read_bytes()[:kept])
    assert message(keras_file.architecture, path).startswith("net.keras: a damaged or truncated .keras file (")


def test_an_archive_without_a_config_or_with_two_is_refused(keras):
    expected = f"net.keras: not a .keras file: it has config.json 0 times; {AGAIN}"
    assert message(keras_file.architecture, keras({"model.weights.h5": hdf5()})) == expected
    path = keras({"config.json": b"{}"})
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("config.json", b'{"b": 2}')
    assert "it has config.json 2 times" in message(keras_file.architecture, path)


def test_a_bomb_is_refused_by_its_size_and_where_that_is_a_lie_when_it_is_unpacked(keras):
    path = keras({"config.json": b" " * (keras_file.LARGEST_CONFIG + 1)}, zipfile.ZIP_DEFLATED)
    size = keras_file.LARGEST_CONFIG
    too_large = f"net.keras: config.json has {size + 1:,} bytes, more than the {size:,} that this model's can have"
    assert message(keras_file.architecture, path) == too_large
    claimed = (size + 1).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(claimed, (100).to_bytes(4, "little")))
    assert message(keras_file.architecture, path).startswith("net.keras: a damaged or truncated .keras file (")


def test_weights_larger_than_the_model_can_have_are_not_unpacked(keras, monkeypatch):
    monkeypatch.setattr(keras_file, "TABLES", 1000)
    path = keras({"config.json": b"{}", "model.weights.h5": hdf5(other=np.zeros(10_000))}, zipfile.ZIP_DEFLATED)
    assert "more than the 1,192 that this model's can have" in message(keras_file.weights, path, {PLACE: (2, 3)})


def test_an_unusual_packing_is_refused(keras):
    path = keras({"config.json": b"{}"}, zipfile.ZIP_LZMA)
    expected = f"net.keras: config.json is packed in a way that Keras never uses; {AGAIN}"
    assert message(keras_file.architecture, path) == expected


@pytest.mark.parametrize(
    ("arrays", "expected", "why"),
    [
        ({}, {"layers/other/vars/0": (1,)}, "has no array layers/other/vars/0, which config.json needs"),
        ({}, {PLACE: (3, 2)}, f"{PLACE} is (2, 3) of float32; config.json says (3, 2) of float32"),
        ({"a": np.arange(3)}, {"a": (3,)}, "a is (3,) of int64; config.json says (3,) of float32"),
        ({"a": np.full(3, np.nan, "f4")}, {"a": (3,)}, "a holds values that are not finite; train it again"),
        ({"a": h5py.ExternalLink("/etc/passwd", "x")}, {"a": (3,)}, "a is a link into another file"),
        ({"a": h5py.SoftLink(f"/{PLACE}")}, {"a": (2, 3)}, "a is a link inside the file"),
    ],
)
def test_arrays_that_do_not_fit_the_architecture_are_refused(keras, arrays, expected, why):
    path = keras({"config.json": b"{}", "model.weights.h5": hdf5(**arrays)})
    assert message(keras_file.weights, path, expected).startswith(f"net.keras: model.weights.h5: {why}")


def test_weights_that_are_no_hdf5_file_are_refused(keras):
    path = keras({"config.json": b"{}", "model.weights.h5": b"\x80\x04pickle"})
    expected = "net.keras: model.weights.h5: not an HDF5 file, or a truncated one ("
    assert message(keras_file.weights, path, {PLACE: (2, 3)}).startswith(expected)
