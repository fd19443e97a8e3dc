"""Configs for data of users: what is seen in the data, that they train, and that they beat the baseline."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mlphys.config.load import load
from tests.helpers import own_data
from tests.helpers.cli import mlphys, reason

Made = Callable[[Path], Path]


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def new(made: Path, *options: str) -> dict[str, Any]:
    """The config that is written for some data, beside them."""
    mlphys("new", "--data", made.name, "--out", "new.yaml", *options)
    return yaml.safe_load(Path("new.yaml").read_text())


EXPECTED: list[tuple[Made, dict[str, Any]]] = [
    (own_data.images_in_folders, {"model.kind": "classifier", "data.greyscale": True, "data.size": None}),
    (own_data.imbalanced, {"data.target": "kind", "data.features": None, "training.class_weight": None}),
    (own_data.large_targets, {"data.features": ["theta", "phi"], "data.target_scaling": "standardize"}),
    (own_data.two_targets, {"data.target": ["y_mass", "y_charge"], "model.kind": "regressor"}),
    (own_data.spectra, {"model.kind": "autoencoder", "model.decoder": "mirror"}),
    (own_data.signal_and_background, {"data.weights": "weight", "data.target_is": "classes"}),
    (own_data.tiny, {"data.test": 0.25, "data.validation": 0.2, "training.batch_size": 16}),
    (own_data.text_labels, {"data.target": "sorte", "data.features": ["farbe", "masse"], "data.categories": ["farbe"]}),
    (own_data.missing_values, {"data.missing": "mean", "data.missing_values": [-999]}),
    (own_data.hdf5, {"data.x": "waveforms", "data.y": "source", "model.kind": "classifier"}),
]


@pytest.mark.parametrize(("make", "expected"), EXPECTED, ids=[make.__name__ for make, _ in EXPECTED])
def test_what_data_are_is_seen_and_the_config_passes_its_check(make: Made, expected: dict[str, Any], tmp_path: Path):
    content = new(make(tmp_path))
    found = {key: content[key.split(".")[0]].get(key.split(".")[1]) for key in expected}
    assert found == expected
    assert load(Path("new.yaml")).experiment.plots == content["plots"]


BASELINES = [
    (own_data.imbalanced, "accuracy", "majority_accuracy", 1),
    (own_data.large_targets, "mse", "mean_target_mse", -1),
    (own_data.spectra, "mse", "mean_image_mse", -1),
]


@pytest.mark.parametrize(("make", "metric", "baseline", "sign"), BASELINES, ids=[row[0].__name__ for row in BASELINES])
def test_the_config_trains_at_once_and_beats_its_baseline(
    make: Made, metric: str, baseline: str, sign: int, tmp_path: Path
):
    new(make(tmp_path))
    run = mlphys(
        "train", "new.yaml", "--quiet", "--no-report", "--set", "training.epochs=40", "--set", "plots=[]"
    ).splitlines()[-1]
    metrics = json.loads((Path(run) / "metrics.json").read_text())["validation"]
    assert sign * metrics[metric] > sign * metrics[baseline] + 2 * metrics[f"{metric}_stderr"]


def test_without_data_the_digits_that_come_along_are_taken():
    assert "digits.yaml: written; `mlphys train digits.yaml` trains it" in mlphys("new")
    assert load(Path("digits.yaml")).experiment.data.name == "digits"


@pytest.mark.parametrize(
    ("task", "kind"),
    [("autoencode", "autoencoder"), ("reduce", "pca"), ("cluster", "kmeans"), ("classify", "classifier")],
)
def test_a_task_chooses_the_kind_of_model_and_the_labels_stay_for_the_pictures(task: str, kind: str, tmp_path: Path):
    content = new(own_data.imbalanced(tmp_path), "--task", task)
    assert content["model"]["kind"] == kind
    assert content["data"]["target"] == "kind"


def test_every_choice_has_a_reason_beside_it(tmp_path: Path):
    new(own_data.large_targets(tmp_path))
    text = Path("new.yaml").read_text()
    assert "features: [theta, phi]  # left out: id numbers the rows" in text
    assert "# a net begins with outputs near 0 that vary by about 1, and targets are energy 1e+05 +- 2.5e+04" in text
    assert "Dense: {units: 16, activation: tanh}  # 16 units for 400 samples: more would learn them by heart" in text


def test_names_in_the_data_cannot_write_lines_of_the_config(tmp_path: Path):
    number = np.arange(60)
    columns = {"a": number % 7, "b": number % 11, "c\nseed: 7\nx": number * 0, "label": number % 2}
    np.savez(tmp_path / "evil.npz", **columns)
    content = new(tmp_path / "evil.npz")
    assert "seed" not in content
    assert content["data"]["features"] == ["a", "b"]
    assert "# left out: c seed: 7 x is the same in every row" in Path("new.yaml").read_text()


def test_columns_that_suggest_another_split_are_named(tmp_path: Path):
    columns = {"run": np.arange(60) // 10, "a": np.arange(60) % 7, "label": np.arange(60) % 2}
    new(own_data.write_csv(tmp_path / "groups.csv", columns))
    assert "# split: {by: run}  # keeps rows with the same run together" in Path("new.yaml").read_text()


def test_signals_are_seen_by_their_neighbouring_values(tmp_path: Path):
    step, phase = np.arange(100), np.random.default_rng(0).uniform(0, 6, (200, 1))
    np.savez(tmp_path / "waves.npz", x=np.sin(step / 8 + phase), y=np.arange(200) % 2)
    assert "Conv1D" in new(tmp_path / "waves.npz")["model"]["layers"][0]


def test_a_few_channels_beside_many_steps_are_signals_and_no_image(tmp_path: Path):
    x = np.random.default_rng(0).normal(size=(100, 200, 3))
    np.savez(tmp_path / "channels.npz", x=x, y=np.arange(100) % 2)
    assert "Conv1D" in new(tmp_path / "channels.npz")["model"]["layers"][0]


def test_a_table_without_names_is_read_from_its_first_line_on(tmp_path: Path):
    rows = np.random.default_rng(0).normal(size=(100, 2)).round(3)
    (tmp_path / "plain.csv").write_text("".join(f"{a},{b},{i % 2}\n" for i, (a, b) in enumerate(rows)))
    content = new(tmp_path / "plain.csv")
    assert content["data"]["header"] is False
    assert content["data"]["target"] == "column_3"


def test_an_existing_file_is_never_overwritten(tmp_path: Path):
    (tmp_path / "digits.yaml").write_text("mine")
    message = "digits.yaml: exists; it is not overwritten; name another file"
    assert reason("new") == message
    assert reason("new", "--data", "nowhere", "--out", "digits.yaml") == message
    assert (tmp_path / "digits.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (["--data", "nowhere.csv"], "nowhere.csv: no such file or folder; a relative path starts at"),
        (["--data", "table.csv", "--target", "lable"], "table.csv: no column lable; did you mean label?"),
        (["--data", "table.xlsx"], "table.xlsx: is a spreadsheet; save it as CSV"),
        (["--data", "one.csv"], "one.csv: no column is left for features: label is the target"),
        (["--data", "nameless.csv"], "nameless.csv: column 2 has no name; name it in the file's first line"),
        (["--data", "empty"], "empty: has no images, and no npy files; name a folder that has, or a file"),
        (["--data", "x.npz", "--task", "classify"], "--task classify: the data have no classes; --target names"),
        (["--data", "x.npz", "--task", "regress"], "--task regress: the data have no numbers as targets"),
        (["--task", "clasify"], "unknown task; received text 'clasify'; allowed classify"),
        (["--data", "x.npz", "--out", "gone/new.yaml"], "gone/new.yaml: no such folder as gone"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(options: list[str], wrong: str, tmp_path: Path):
    (tmp_path / "table.csv").write_text("a,label\n1,2\n2,3\n")
    (tmp_path / "one.csv").write_text("label\n1\n2\n")
    (tmp_path / "nameless.csv").write_text("a,,label\n1,5,2\n2,6,3\n3,7,2\n")
    (tmp_path / "table.xlsx").write_bytes(b"PK")
    (tmp_path / "empty").mkdir()
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).normal(size=(50, 4)))
    assert reason("new", *options).startswith(wrong)
    assert not list(tmp_path.glob("*.yaml"))
