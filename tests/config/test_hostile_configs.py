"""Paths and numbers that break readers: one short message each, and exit code 2."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.helpers.cli import mlphys, refused

NETWORK = "model: {kind: classifier, layers: [LAYER, Flatten, {Dense: {units: 10, activation: softmax}}]}\n"
CONFIG = f"data: {{name: digits}}\n{NETWORK}".replace("LAYER, ", "")
REGRESSION = "data: {name: function_1d, function: sine}\nmodel: {kind: regressor, layers: [{Dense: {units: 1}}]}\n"
LONG = "n" * 300
NO_USER = "~nobody_of_this_name/x"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("right.yaml").write_text(CONFIG)
    Path("loop").symlink_to("loop")
    Path("folder.yaml").mkdir()
    os.mkfifo("pipe.yaml")
    return tmp_path


def message(*arguments: object) -> str:
    said = refused(*arguments)
    assert len(said.encode()) < 2100
    assert said.replace("\n", "").isprintable()
    return said


def checked(text: str) -> str:
    Path("c.yaml").write_text(text)
    return message("config", "check", "c.yaml")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (NO_USER, "no such file"),
        (LONG, "File name too long"),
        ("loop", "Too many levels of symbolic links"),
        ("loop/x.yaml", "Too many levels of symbolic links"),
        ("right.yaml/x", "Not a directory"),
        ("folder.yaml", "is a folder"),
        ("pipe.yaml", "is not a regular file"),
        ("/dev/zero", "is not a regular file"),
        (os.fsdecode(b"caf\xe9.yaml"), r"caf\udce9.yaml: no such file"),
        ("\x1b[31m\u202e.yaml", r"\x1b[31m\u202e.yaml: no such file"),
    ],
)
def test_a_config_that_cannot_be_read_is_one_message(name, why):
    assert why in message("config", "check", name)


@pytest.mark.parametrize("dataset", ["table", "array", "image_folder", "image_function"])
@pytest.mark.parametrize("path", [NO_USER, '"a\\0b"', LONG, "loop", "loop/x", "pipe.yaml", '"\\ud800"', '"\\e[31m"'])
def test_data_that_cannot_be_read_are_one_message(dataset, path):
    said = checked(f"data: {{name: {dataset}, path: {path}}}\nmodel: {{kind: pca, components: 2}}\n")
    assert said.count("\n") == 1


@pytest.mark.parametrize("to", [LONG, "loop", "loop/x", "right.yaml", "pipe.yaml", NO_USER])
def test_a_config_is_copied_into_folders_only(to):
    assert "no such folder" in message("config", "copy", "conv_digits", "--to", to)


@pytest.mark.parametrize("variable", ["MLPHYS_DATA", "KERAS_HOME"])
@pytest.mark.parametrize("path", [NO_USER, LONG, "loop", "right.yaml", "pipe.yaml"])
def test_a_folder_of_data_that_cannot_be_used_is_one_message(variable, path, monkeypatch):
    monkeypatch.delenv("MLPHYS_DATA", raising=False)
    monkeypatch.setenv("KERAS_HOME", "right.yaml")
    monkeypatch.setenv(variable, path)
    expected = f"{variable}: no home folder is known" if path == NO_USER else "cannot write to"
    assert expected in message("data", "fetch", "fashion_mnist")


def test_without_a_home_the_named_folder_of_data_is_enough(monkeypatch, tmp_path):
    for name in ("HOME", "KERAS_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "expanduser", _no_home)
    monkeypatch.setenv("MLPHYS_DATA", str(tmp_path))
    Path("c.yaml").write_text(CONFIG)
    assert "OK" in mlphys("config", "check", "c.yaml")
    monkeypatch.delenv("MLPHYS_DATA")
    assert "KERAS_HOME: no home folder is known for ~/.keras" in message("data", "fetch", "fashion_mnist")


def _no_home(path: Path) -> Path:
    if str(path).startswith("~"):
        raise RuntimeError("Could not determine home directory.")
    return path


@pytest.mark.parametrize(
    "text",
    [
        f"%YAML {'9' * 5000}.1\n---\na: 1\n",
        f"%YAML 1.{'9' * 5000}\n---\na: 1\n",
        'a: "\\UFFFFFFFF"\n',
        'a: "\\U00110000"\n',
        'a: "\\uD800"\n',
        f"a: {'[' * 10_000}",
        f"a: {'{a: ' * 10_000}",
        f"{'- ' * 10_000}a",
        f"a: {'9' * 5000}",
        f"a: 0.{'9' * 100_000}",
        f"a: 1e{'9' * 5000}",
        f"{'x' * 100_000}: 1",
        '"\\e[31m\\u202e": 1',
        f"data: {{name: {'x' * 100_000}}}",
        f'data: {{name: "{chr(0x202E)}{chr(0x85)}"}}',
    ],
)
def test_yaml_that_breaks_parsers_is_one_message(text):
    assert checked(text).startswith("mlphys: c.yaml")


@pytest.mark.parametrize(
    "setting",
    [
        f"seed={'9' * 5000}",
        f"seed={'[' * 10_000}",
        f"seed={'{a: ' * 10_000}",
        f"{'a.' * 10_000}b=1",
        f"model.layers.{'9' * 5000}=1",
        "model.layers.\u0663=1",
        "model.layers.\u00b2=1",
        'seed="\\UFFFFFFFF"',
        "seed=1e400",
        "training.epochs=99999999999999999999",
        f"expect.{'a' * 3000}=[0, 1]",
        "\x1b=1",
        f"{'x' * 100_000}",
    ],
)
def test_a_setting_that_breaks_parsers_is_one_message(setting):
    message("config", "check", "right.yaml", "--set", setting)


@pytest.mark.parametrize(
    "layer",
    [
        "{Conv2D: {filters: 1, kernel_size: 3, strides: 1e300}}",
        "{Conv2D: {filters: 99999999, kernel_size: [8, 8]}}",
        "{Reshape: {target_shape: [99999999, 99999999]}}",
        "{FixedConv2D: {kernel: [[1e308, 1e308]]}}",
        "{GaussianNoise: {stddev: 1e300}}",
        "{LeakyReLU: {negative_slope: 1e39}}",
        "{Conv2D: {filters: 1, kernel_size: 3, kernel_initializer: {RandomNormal: {stddev: 1e300}}}}",
        "{Conv2D: {filters: 1, kernel_size: 3, kernel_regularizer: {L2: {l2: 1e300}}}}",
    ],
)
def test_a_layer_with_a_number_that_overflows_is_one_message(layer):
    checked(f"data: {{name: digits}}\n{NETWORK}".replace("LAYER", layer))


@pytest.mark.parametrize(
    ("training", "key"),
    [
        ("{loss: {Huber: {delta: 1e300}}}", "training.loss.Huber.delta"),
        ("{optimizer: {Adam: {learning_rate: 1e300}}}", "training.optimizer.Adam.learning_rate"),
        ("{optimizer: {Adam: {epsilon: 1e300}}}", "training.optimizer.Adam.epsilon"),
        ("{optimizer: {SGD: {clipnorm: 1e39}}}", "training.optimizer.SGD.clipnorm"),
    ],
)
def test_a_number_beyond_float32_is_refused_at_its_key(training, key):
    said = checked(f"{REGRESSION}training: {training}\n")
    assert f"{key}: must lie between -1e+30 and 1e+30" in said
