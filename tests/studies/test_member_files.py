"""The files that members need on other machines: found there by their checksum, or sent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.datasets.galaxy_zoo import GalaxyZoo
from mlphys.errors import UserError
from mlphys.schema.data import RemoteFile
from mlphys.schema.document import Document
from mlphys.studies import member_files
from mlphys.studies.member_files import NeededFile

MODEL = {"kind": "classifier", "layers": [{"Dense": {"units": 2, "activation": "softmax"}}]}


@pytest.fixture
def own(tmp_path, monkeypatch) -> tuple[Document, tuple[NeededFile, ...]]:
    """The config of own data by a relative path, and the files that it needs."""
    monkeypatch.chdir(tmp_path)
    np.savez("own.npz", x=np.zeros((4, 2), np.float32), y=np.arange(4) % 2)
    return member_files.needed(
        Document({"name": "a", "data": {"name": "array", "path": "own.npz"}, "model": MODEL}, "f.yaml", {})
    )


def test_a_config_is_sent_with_the_absolute_paths_of_its_files(own, tmp_path):
    document, [file] = own
    assert document.data["data"]["path"] == file.path == str(tmp_path / "own.npz")


def test_a_file_that_is_there_is_not_sent_and_a_missing_one_is_written_to_its_place(own):
    _, files = own
    assert member_files.missing(files) == []
    content = Path(files[0].path).read_bytes()
    Path(files[0].path).unlink()
    assert member_files.missing(files) == [0]
    member_files.place(files[0], content)
    assert Path(files[0].path).read_bytes() == content
    assert member_files.missing(files) == []


def test_another_file_in_its_place_is_not_overwritten(own):
    _, files = own
    Path(files[0].path).write_text("mine")
    with pytest.raises(UserError, match=r"own.npz: is another file there \(sha256 differs\)"):
        member_files.missing(files)
    assert Path(files[0].path).read_text() == "mine"


def test_a_content_that_is_not_the_files_is_noticed(own):
    _, files = own
    Path(files[0].path).unlink()
    with pytest.raises(UserError, match="is another file there"):
        member_files.place(files[0], b"other")


def test_a_missing_file_is_named_where_the_study_is(own):
    document, [file] = own
    Path(file.path).unlink()
    with pytest.raises(UserError, match=r"own\.npz: no such file"):
        member_files.needed(document)


def test_a_file_of_initial_weights_is_sent_too(own, tmp_path):
    Path("net.safetensors").write_bytes(b"weights")
    training = {"initial": {"file": "net.safetensors"}}
    data = {"name": "array", "path": "own.npz"}
    document, files = member_files.needed(
        Document({"name": "a", "data": data, "model": MODEL, "training": training}, "f.yaml", {})
    )
    assert document.data["training"]["initial"]["file"] == files[1].path == str(tmp_path / "net.safetensors")


def test_a_folder_of_images_is_sent_file_by_file(tmp_path):
    for name in ("a/1.png", "b/2.png"):
        (tmp_path / "images" / name).parent.mkdir(parents=True)
        (tmp_path / "images" / name).write_bytes(b"png")
    data = {"name": "image_folder", "path": str(tmp_path / "images")}
    _, files = member_files.needed(Document({"name": "a", "data": data, "model": MODEL}, "f.yaml", {}))
    assert [Path(file.path).name for file in files] == ["1.png", "2.png"]


def test_a_folder_of_images_and_the_table_beside_it_are_both_sent(tmp_path, monkeypatch):
    keys = GalaxyZoo.example(tmp_path)
    monkeypatch.chdir(tmp_path)
    keys |= {"path": "images_training_rev1", "votes": "training_solutions_rev1.csv"}
    document, files = member_files.needed(Document({"name": "a", "data": keys, "model": MODEL}, "f.yaml", {}))
    assert document.data["data"]["path"] == str(tmp_path / "images_training_rev1")
    assert document.data["data"]["votes"] == files[0].path
    assert files[0].path == str(tmp_path / "training_solutions_rev1.csv")
    assert [Path(file.path).name for file in files[1:3]] == ["100.jpg", "101.jpg"]
    assert len(files) == 21


def test_a_generated_dataset_needs_nothing():
    document = Document({"name": "a", "data": {"name": "moons", "samples": 40}, "model": MODEL}, "f.yaml", {})
    assert member_files.needed(document) == (document, ())


def test_a_public_file_is_kept_where_downloads_are_and_verified(tmp_path, monkeypatch):
    monkeypatch.setenv("MLPHYS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"  # of foo
    source = RemoteFile("made_up", "foo.bin", "https://example.org/foo.bin", digest)
    file = NeededFile("/elsewhere/foo.bin", 3, digest, source)
    assert member_files.missing([file]) == [0]
    with pytest.raises(UserError, match="damaged or another file"):
        member_files.place(file, b"bar")
    assert member_files.missing([file]) == [0]
    member_files.place(file, b"foo")
    assert (tmp_path / "data" / "foo.bin").read_bytes() == b"foo"
    assert member_files.missing([file]) == []
