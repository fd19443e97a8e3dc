"""A config by its file, by its run, or by the name that it ships under; and what the commands say of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mlphys.config.shipped import shipped
from mlphys.config.sources import config_file
from mlphys.schema.document import dump
from tests.helpers import fake_run
from tests.helpers.cli import mlphys, refused


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(**changed: object) -> Path:
    """small.yaml, a dense classifier of digits."""
    hidden, last = {"units": 20, "activation": "relu"}, {"units": 10, "activation": "softmax"}
    layers = ["Flatten", {"Dense": hidden}, {"Dense": last}]
    config = {"name": "small", "data": {"name": "digits"}, "model": {"kind": "classifier", "layers": layers}, **changed}
    Path("small.yaml").write_text(dump(config))
    return Path("small.yaml")


def test_a_config_is_a_file_with_or_without_its_ending_a_run_or_a_shipped_one():
    assert config_file(Path("conv_digits")) == shipped()["conv_digits"]
    run = Path("runs/conv_digits/1")
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("name: conv_digits\n")
    assert config_file(Path("conv_digits")) == run / "config.yaml"
    assert config_file(run) == run / "config.yaml"
    Path("conv_digits.yaml").write_text("name: conv_digits\n")
    assert config_file(Path("conv_digits")) == Path("conv_digits.yaml")
    assert config_file(Path("conv_digits.yaml")) == Path("conv_digits.yaml")
    assert config_file(Path("nothing_of_this_name")) == Path("nothing_of_this_name")


def test_commands_about_configs_take_shipped_names_and_say_which_file_it_is():
    assert f"mlphys: config {shipped()['conv_digits']}" in mlphys("config", "show", "conv_digits")
    assert "name: conv_digits -> dense_mnist" in mlphys("config", "diff", "conv_digits", "dense_mnist")
    assert "cost = " in mlphys("config", "explain", "conv_digits")


def test_two_runs_are_compared_by_their_configs_though_their_data_is_gone():
    Path("table.csv").write_text("a,b,kind\n" + "1,2,x\n2,1,y\n" * 20)
    table = {"name": "table", "path": "table.csv", "target": "kind"}
    layers = ["Flatten", {"Dense": {"units": 2, "activation": "softmax"}}]
    for epochs in (3, 4):
        config = written(data=table, model={"kind": "classifier", "layers": layers}, training={"epochs": epochs})
        fake_run.write(config)
    Path("table.csv").unlink()
    Path("small.yaml").unlink()
    assert "training.epochs: 3 -> 4" in mlphys("config", "diff", "runs/small/1", "small")


@pytest.mark.parametrize("name", ["conv_simple_mnist", "conv_digits"])
def test_a_copy_under_another_name_keeps_what_it_does_and_not_what_it_reached(name):
    assert "mine.yaml: written" in mlphys("config", "copy", name, "--name", "mine")
    copy, original = (yaml.safe_load(path.read_text()) for path in (Path("mine.yaml"), shipped()[name]))
    left_out = ("about", "expect", "published")
    assert copy == {**{key: value for key, value in original.items() if key not in left_out}, "name": "mine"}
    assert name not in Path("mine.yaml").read_text()
    assert "exists; it is not overwritten" in refused("config", "copy", name, "--name", "mine")
    assert "no such folder" in refused("config", "copy", name, "--to", "nowhere")
    assert "expected a-z, A-Z, 0-9" in refused("config", "copy", name, "--name", "../mine")


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["--epochs", "3"], "write --set training.epochs=VALUE"),
        (["--batch-size=3"], "write --set training.batch_size=VALUE"),
        (["training.epochs=3"], "write --set training.epochs=3"),
        (["epochs=3"], "write --set training.epochs=3"),
    ],
)
def test_a_key_written_as_an_option_or_an_argument_is_answered_with_the_option_that_sets_it(arguments, remedy):
    path = written()
    assert remedy in refused("train", path, *arguments)
    override = remedy.removeprefix("write --set ").replace("VALUE", "3")
    assert "OK" in mlphys("config", "check", path, "--set", override)


def test_an_option_that_is_nearly_one_of_the_command_is_answered_with_that():
    assert "--quiet" in refused("train", written(), "--quite")


def test_a_word_that_means_something_else_here_is_reported_once():
    path = written(training={"loss": "sparse_categorical_crossentropy"})
    text = mlphys("config", "check", path)
    assert text.count("is categorical_crossentropy here: labels are encoded one-hot") == 1
    assert "is categorical_crossentropy here" not in mlphys("config", "check", written(training={"loss": "mse"}))


@pytest.mark.parametrize(
    ("changed", "warning"),
    [
        (["model.layers.1.Dense.activation=softmax"], "layers.1.Dense: softmax in a hidden layer"),
        (["training.batch_size=100000"], "training.batch_size: 100000 takes all"),
        (["training.loss=binary_crossentropy"], "training.loss: binary_crossentropy judges each of 10 outputs"),
    ],
)
def test_a_config_that_is_accepted_and_will_hardly_learn_is_warned_of(changed, warning):
    options = [part for override in changed for part in ("--set", override)]
    lines = mlphys("config", "check", written(), *options).splitlines()
    assert lines[0].startswith("small.yaml: OK")
    assert [line for line in lines if line.startswith(f"warning: {warning}")]
    assert len(mlphys("config", "check", written()).splitlines()) == 1


def test_a_batch_of_all_samples_and_a_last_softmax_are_no_reason_for_a_warning():
    options = ("--set", "training.batch_size=all", "--set", "model.layers.2.Dense.activation=softmax")
    assert "warning" not in mlphys("config", "check", written(), *options)


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_no_number_is_cut_on_a_narrow_terminal(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    wide = mlphys("config", "explain", written())
    numbers = [word for word in wide.split() if word.isdigit()]
    monkeypatch.setenv("COLUMNS", str(columns))
    narrow = mlphys("config", "explain", written())
    assert "…" not in narrow
    assert sorted(word for word in narrow.split() if word.isdigit()) == sorted(numbers)
    assert "receptive field" in narrow
