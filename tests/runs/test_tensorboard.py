"""What a training writes for TensorBoard, read by TensorFlow's own reader of such files."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from mlphys.io.event_file import event
from mlphys.runs.tensorboard import NAME
from tests.helpers.cli import mlphys

CONFIG = """
name: small
data: {name: digits, train: 200, validation: 50, test: 50}
model: {kind: autoencoder, encoder: [{Dense: {units: 4}}], decoder: mirror}
training: {epochs: 3, batch_size: 50, track: [weight_norms]}
plots: []
"""


def train(folder: Path, *options: str) -> Path:
    path = folder / "small.yaml"
    path.write_text(CONFIG)
    mlphys("train", path, "--out", folder / "run", "--quiet", "--no-report", *options)
    return folder / "run"


def events(run: Path, split: str) -> list[Any]:
    from mlphys.networks.tensorflow import tf

    event_type = tf.compat.v1.Event
    path = run / "tensorboard" / split / NAME
    return [event_type.FromString(content.numpy()) for content in tf.data.TFRecordDataset(str(path))]


def numbers(run: Path, split: str, tag: str) -> dict[int, float]:
    """The values of a tag by step."""
    found = [(each.step, value) for each in events(run, split) for value in each.summary.value if value.tag == tag]
    assert len({step for step, _ in found}) == len(found)
    return {step: value.simple_value for step, value in found}


def history(run: Path) -> list[dict[str, str]]:
    rows = list(csv.DictReader(io.StringIO((run / "history.csv").read_text())))
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("with"), "--set", "training.tensorboard=true")


def test_the_training_is_the_same_to_the_byte(run: Path, tmp_path: Path):
    without = train(tmp_path)
    assert not (without / "tensorboard").exists()
    for name in ("weights.safetensors", "metrics.json"):
        assert (run / name).read_bytes() == (without / name).read_bytes()
    assert history(run) == history(without)


def test_the_columns_of_the_history_are_scalars_with_training_and_validation_in_one_chart(run: Path):
    rows = history(run)
    for split, column in {"train": "loss", "validation": "validation_loss"}.items():
        values = numbers(run, split, "loss")
        assert list(values) == [1, 2, 3]
        assert list(values.values()) == pytest.approx([float(row[column]) for row in rows], rel=1e-6)
    assert len(numbers(run, "train", "weight_norm/encoder.0.Dense")) == 3
    assert "learning_rate" in {value.tag for each in events(run, "train") for value in each.summary.value}


def test_the_config_is_a_text_and_filters_and_reconstructions_are_images(run: Path):
    from PIL import Image

    values = {value.tag: value for each in events(run, "train") for value in each.summary.value}
    assert values["config"].metadata.plugin_data.plugin_name == "text"
    assert "    kind: autoencoder\n" in values["config"].tensor.string_val[0].decode()
    filters = values["filters"].image
    assert Image.open(io.BytesIO(filters.encoded_image_string)).size == (filters.width, filters.height) == (66, 66)
    values = {value.tag: value for each in events(run, "validation") for value in each.summary.value}
    assert values["reconstructions"].image.height == 2 * 32 + 2


def test_a_training_that_goes_on_has_every_step_once(tmp_path: Path):
    run = train(tmp_path, "--set", "training.tensorboard=true")
    file = run / "tensorboard" / "train" / NAME
    file.write_bytes(file.read_bytes() + event("loss", 7.0, 4, 1.0) + b"half of a record")  # killed behind a checkpoint
    mlphys("resume", run, "--quiet", "--no-report", "--set", "training.epochs=5")
    values = numbers(run, "train", "loss")
    assert list(values) == [1, 2, 3, 4, 5]
    assert values[4] < 7
    assert [each.file_version for each in events(run, "train") if each.file_version] == ["brain.Event:2"]
