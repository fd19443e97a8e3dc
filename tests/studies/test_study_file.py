"""study.json holds what its training wrote, and nothing else is compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlphys.errors import UserError
from mlphys.studies.study_file import Study


def read(folder: Path, **changes: Any) -> Study:
    member = {"number": 1, "overrides": {"seed": 0}, "labels": {}, "directory": "members/1", "state": "done"}
    content = {
        "mlphys": "0.1", "command": "train", "name": "a", "source": "c.yaml", "folds": None, "threads": 1, "config": {},
        "grid": {}, "seeds": [0], "evaluated": "validation", "chooses": False, "members": [member | changes],
        "executor": {"name": "this process", "workers": 0},
    }  # fmt: skip
    (folder / "study.json").write_text(json.dumps(content))
    return Study(folder)


def test_what_a_member_measured_is_read_as_it_is(tmp_path: Path):
    metrics = {"validation": {"accuracy": 0.9, "samples": 20, "psnr": None}}
    assert read(tmp_path, metrics=metrics).read().members[0].metrics == metrics


@pytest.mark.parametrize("value", [-1e308, 1e101, 10**400, float("nan"), float("inf"), [1]])
@pytest.mark.parametrize("key", ["metrics", "curve", "seconds"])
def test_numbers_that_cannot_be_squared_are_one_message(tmp_path: Path, key: str, value: Any):
    changes = {"metrics": {"validation": {"accuracy_stderr": value}}, "curve": {"1": value}, "seconds": value}
    with pytest.raises(UserError, match=rf"study.json: damaged: members\.0\.{key}.* is missing or wrong; start a new"):
        read(tmp_path, **{key: changes[key]}).read()
