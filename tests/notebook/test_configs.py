from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlphys
from mlphys.errors import UserError
from mlphys.notebook import training
from mlphys.notebook.configs import config_path, document

MODEL = {"kind": "classifier", "layers": ["Flatten", {"Dense": {"units": 10, "activation": "softmax"}}]}


def test_a_dict_is_a_config_whose_tuples_paths_and_numpy_numbers_are_plain():
    given = {"data": {"name": "digits", "path": Path("a/b")}, "units": (np.int64(3), np.float32(0.5), range(2))}
    assert document(given, {}).data == {
        "name": "experiment", "data": {"name": "digits", "path": "a/b"}, "units": [3, 0.5, [0, 1]]
    }  # fmt: skip


def test_overrides_and_the_seed_change_a_dict_by_dotted_keys_and_leave_the_users_own_as_it_is():
    given = {"name": "mine", "model": {"layers": [{"Dense": {"units": 3}}]}}
    found = document(given, {"model.layers.0.Dense.units": np.int32(5), "training.optimizer": {"Adam": {}}}, 7)
    assert found.data == {
        "name": "mine",
        "seed": 7,
        "model": {"layers": [{"Dense": {"units": 5}}]},
        "training": {"optimizer": {"Adam": {}}},
    }
    assert given == {"name": "mine", "model": {"layers": [{"Dense": {"units": 3}}]}}


def itself() -> dict[str, Any]:
    inner: dict[str, Any] = {}
    inner["data"] = inner
    return inner


@pytest.mark.parametrize(
    ("config", "overrides", "text"),
    [
        (3, {}, "config: expected a file, the name of a shipped config, or a dict; received int"),
        ("conv_digits", [1], 'overrides: expected a dict such as {"training.epochs": 5}; received list'),
        (
            {"data": {"x": np.zeros((2, 3))}}, {},
            "config.data.x: expected plain values: numbers, text, lists, dicts; received ndarray; samples are read "
            "from files: save them with numpy.savez and write data: {name: array, path: FILE}",
        ),
        ({"data": {(1, 2): 3}}, {}, "config.data: a key must be text; received (1, 2)"),
        (itself(), {}, "config" + ".data" * 41 + ": nested deeper than 40 levels"),
        ({}, {"training.epochs": object}, "training.epochs: expected plain values: numbers, text, lists, dicts; "
         "received type; samples are read from files: save them with numpy.savez and write data: {name: array, path: "
         "FILE}"),
    ],
    ids=["number", "list of overrides", "samples", "key", "itself", "override"],
)  # fmt: skip
def test_what_is_no_config_is_refused_with_its_place(config: Any, overrides: Any, text: str):
    with pytest.raises(UserError) as error:
        document(config, overrides)
    assert str(error.value) == text


@pytest.mark.parametrize(
    ("config", "overrides", "text"),
    [
        (
            {"data": {"name": "digits"}, "model": {"kind": "classifer"}}, {},
            "config: model.kind: unknown kind of model; received text 'classifer'; did you mean classifier?",
        ),
        ("conv_digits", {"training.epoch": 3}, "--set training.epoch=3: training.epoch: unknown key; write epochs"),
        ("no_such", {}, "no_such: no such file; `mlphys list configs` names the shipped configs"),
    ],
    ids=["dict", "override", "file"],
)  # fmt: skip
def test_mistakes_have_the_messages_of_the_command(config: Any, overrides: Any, text: str):
    with pytest.raises(mlphys.UserError) as error:
        mlphys.train(config, overrides)
    assert str(error.value) == text


def test_a_config_that_describes_a_study_is_for_sweep():
    config = {"name": "many", "data": {"name": "digits"}, "model": MODEL, "study": {"seeds": 2}}
    with pytest.raises(UserError, match=r"^config: describes a study of many runs; mlphys\.sweep trains it$"):
        mlphys.train(config)


def test_a_shipped_name_means_the_shipped_config_also_where_a_run_has_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = Path("runs/conv_digits/1")
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("name: conv_digits\n")
    (run / "data.json").write_text("{}")
    assert config_path(Path("conv_digits")).name == "conv_digits.yaml"
    assert config_path(run) == run / "config.yaml"


def test_a_traceback_of_a_user_error_in_ipython_is_its_text_with_control_characters_written_out():
    assert UserError("a\x1b[2J: wrong")._render_traceback_() == ["mlphys: a\\x1b[2J: wrong"]


@pytest.mark.parametrize("values", [3, [], {1, 2}], ids=str)
def test_a_grid_without_a_list_of_values_is_refused(values: Any):
    config = {"data": {"name": "digits"}, "model": MODEL}
    with pytest.raises(UserError) as error:
        mlphys.sweep(config, {"seed": values})
    expected = "expected a list of values, or text such as 1e-3:1:log7"
    assert str(error.value) == f"grid: seed: {expected}; received {values!r}"


def test_a_range_of_a_grid_is_passed_on_as_it_is_written():
    assert training._grid({"seed": [1, 2], "training.epochs": "1:100:log"}) == {
        "seed": [1, 2],
        "training.epochs": "1:100:log",
    }
