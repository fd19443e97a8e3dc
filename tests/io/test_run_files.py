"""What is written of a run when its training begins is read again when it is used."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlphys.errors import UserError
from mlphys.io.run_files import LONGEST_NAME, RunFiles, _is_text, require_readable
from mlphys.io.run_folder import RunFolder
from mlphys.schema.document import dump

# Names as operating systems and instruments give them: joiners, soft hyphens, line breaks, bytes that are no text.
NAMES = st.text(st.characters(exclude_categories=()), min_size=1, max_size=20)
UNUSUAL = [
    "a\u200db",
    "Zu\u00adsammen",
    "1\u00a0000",
    "caf\udce9",
    "\x1b[31m",
    "\u202e",
    "a\nb",
    "\x85",
    "\ufeff",
    "~",
    "no",
]


def facts(classes: list[str]) -> dict[str, Any]:
    split = {"samples": 1, "class_counts": dict.fromkeys(classes, 1), "sha256": ""}
    return {
        "name": "table",
        "shape": [2],
        "classes": classes,
        "samples": 3,
        "test_samples": None,
        "splits": {"train": split, "validation": split, "test": split},
        "files": [{"path": classes[0] if classes else "", "bytes": 1, "sha256": ""}],
    }


def read_back(config: dict[str, Any], data: dict[str, Any]) -> None:
    text = dump(config)
    assert text.encode()
    require_readable(text, data)
    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(Path(name))
        folder.write("config.yaml", text)
        folder.write_json("data.json", data)
        run = RunFiles(Path(name))
        assert run.document.data == config
        assert list(run.description.classes) == data["classes"]
        assert run.data["splits"]["train"]["class_counts"] == data["splits"]["train"]["class_counts"]
        assert run.data["files"] == data["files"]


@given(st.lists(NAMES, max_size=5, unique=True))
def test_names_of_classes_and_columns_are_read_as_they_were_written(names):
    text = [name.encode(errors="ignore").decode() for name in names]
    read_back({"data": {"features": text, "target": text[:1]}}, facts(names))


def test_a_path_of_the_config_that_is_no_text_is_refused_before_training():
    with pytest.raises(UserError, match="a path of the config holds bytes that are no UTF-8"):
        require_readable(dump({"data": {"path": "/home/caf\udce9/x.csv"}}), facts([]))


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_name_is_read_as_it_was_written(name):
    text = name.encode(errors="ignore").decode()
    read_back({"data": {"features": [text, f"{text} 2", r"C:\uDATA"]}}, facts([name]))


def test_a_name_with_joiners_may_be_a_key():
    read_back({"training": {"class_weight": {"a\u200db": 1.0, "1\u00a0000": 2.0, "Zu\u00adsammen": 3.0}}}, facts([]))


def test_many_columns_and_layers_are_read():
    layer = {"Conv2D": {"filters": 8, "kernel_size": [3, 3]}}
    read_back({"data": {"features": [f"c{i}" for i in range(500)]}, "layers": [layer] * 100}, facts(["a"] * 1000))


@pytest.mark.parametrize(
    ("config", "classes", "why"),
    [
        ({"about": "x" * 2_000_000}, [], "the complete config has 2,"),
        ({}, ["x" * (LONGEST_NAME + 1)], "a class has a name of 5,001 characters, more than 5,000"),
        ({}, ["x" * 1000] * 10_000, "data.json would have"),
        ({"a": eval("[" * 45 + "]" * 45)}, [], "nested deeper than 40 levels"),
    ],
    ids=["columns", "long class", "classes", "deep"],
)
def test_what_could_not_be_read_is_refused_before_training(config, classes, why):
    data = facts([f"{i}{name}" if len(classes) > 1 else name for i, name in enumerate(classes)])
    if len(classes) > 1:
        data["files"] = data["files"] * 20_000
    with pytest.raises(UserError, match=why):
        require_readable(dump(config), data)


def test_a_longer_name_than_a_run_can_have_is_refused():
    _is_text("a" * LONGEST_NAME)
    with pytest.raises(ValueError, match="is longer than 5000 characters"):
        _is_text("a" * (LONGEST_NAME + 1))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "not readable as JSON"),
        ("[" * 100_000, "not readable as JSON"),
        ("[]", "expected an object of keys"),
        ('{"state": 7}', "state is missing or wrong; retrain the experiment"),
    ],
)
def test_a_status_that_no_training_writes_is_refused(content, why, tmp_path):
    (tmp_path / "status.json").write_text(content)
    with pytest.raises(UserError) as error:
        _ = RunFiles(tmp_path).status
    assert str(error.value) == f"{tmp_path / 'status.json'}: damaged: {why}"


def test_a_class_whose_name_is_no_unicode_is_read_and_what_is_wrong_with_it_is_said(tmp_path):
    """JSON can write half of a surrogate pair, which no encoding can."""
    name, data = "\ud800", facts(["\ud800"])
    RunFolder(tmp_path).write_json("data.json", data)
    assert RunFiles(tmp_path).data["splits"]["train"]["class_counts"] == {name: 1}
    data["splits"]["train"]["class_counts"][name] = -1
    RunFolder(tmp_path).write_json("data.json", data)
    with pytest.raises(UserError) as error:
        _ = RunFiles(tmp_path).data
    assert str(error.value).startswith(f"{tmp_path / 'data.json'}: damaged: splits.train.class_counts.")
    assert str(error.value).endswith(" is missing or wrong; retrain the experiment")
