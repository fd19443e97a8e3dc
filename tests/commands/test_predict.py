"""`mlphys predict`: what a trained network says of files, against what it said of the same samples."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlphys.runs.run import Run
from mlphys.schema.document import dump
from tests.helpers.cli import mlphys, reason

DIGITS = {"name": "digits", "train": 300, "validation": 100, "test": 200}
DENSE = {"Dense": {"units": 10, "activation": "softmax"}}
MODELS = {
    "classifier": (DIGITS, {"kind": "classifier", "layers": ["Flatten", DENSE]}, {"epochs": 3}),
    "pca": (DIGITS, {"kind": "pca", "components": 3}, {}),
    "regressor": (
        {"name": "function_1d", "function": "absolute", "samples": 300},
        {"kind": "regressor", "layers": [{"Dense": {"units": 1}}]},
        {"epochs": 2},
    ),
    "transform": (
        DIGITS,
        {"kind": "transform", "layers": [{"AveragePooling2D": {"pool_size": 2}}]},
        {},
    ),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder with a run of each kind, evaluated."""
    path = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        for name, (data, model, training) in MODELS.items():
            Path(f"{name}.yaml").write_text(dump({"name": name, "data": data, "model": model, "training": training}))
            mlphys("train", f"{name}.yaml", "--quiet", "--no-report")
            mlphys("evaluate", name)
    return path


@pytest.fixture(autouse=True)
def _in_a_copy(trained, tmp_path, monkeypatch):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def held_out(name: str) -> np.ndarray:
    return Run(Path("runs", name, "1")).dataset().test.x


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_the_classes_and_probabilities_of_the_test_samples_are_those_of_evaluate():
    np.save("x.npy", held_out("classifier"))
    found = rows(mlphys("predict", "classifier", "x.npy"))
    with np.load("runs/classifier/1/predictions_test.npz") as evaluated:
        p = evaluated["probabilities"]
    beside = ["class", "probability", "distance", "farther_than"]
    assert list(found[0]) == ["file", "sample", *beside, *(f"p_{k}" for k in range(10))]
    assert [row["class"] for row in found] == [str(k) for k in p.argmax(axis=1)]
    assert np.allclose([[float(row[f"p_{k}"]) for k in range(10)] for row in found], p, rtol=1e-5, atol=1e-9)
    assert [row["sample"] for row in found] == [str(i) for i in range(200)]


def test_files_of_several_kinds_are_predicted_in_their_order():
    x = held_out("classifier")
    np.save("x.npy", x[:2])
    Image.fromarray(np.round(x[2, ..., 0] * 255).astype(np.uint8)).save("digit.png")
    np.savetxt("x.csv", x[3:4].reshape(1, -1), delimiter=",")
    np.save("four.npy", x[:4])
    found = rows(mlphys("predict", "classifier", "x.npy", "digit.png", "x.csv"))
    assert [(row["file"], row["sample"]) for row in found] == [
        ("x.npy", "0"), ("x.npy", "1"), ("digit.png", "0"), ("x.csv", "0"),
    ]  # fmt: skip
    assert [row["class"] for row in found] == [
        row["class"] for row in rows(mlphys("predict", "classifier", "four.npy"))
    ]


def test_an_inverted_negative_is_the_digit_itself():
    digit = np.round(held_out("classifier")[0, ..., 0] * 255).astype(np.uint8)
    Image.fromarray(digit).save("a.png")
    Image.fromarray(255 - digit).save("b.png")
    plain = rows(mlphys("predict", "classifier", "a.png"))[0]
    inverted = rows(mlphys("predict", "classifier", "b.png", "--invert"))[0]
    assert np.allclose(*([float(row[f"p_{k}"]) for k in range(10)] for row in (plain, inverted)), rtol=1e-4)


def test_json_holds_the_same_numbers_as_csv():
    np.save("x.npy", held_out("classifier")[:2])
    table, objects = (mlphys("predict", "classifier", "x.npy", *more) for more in ((), ("--json",)))
    for row, item in zip(rows(table), json.loads(objects), strict=True):
        assert (item["file"], item["sample"], item["class"]) == ("x.npy", int(row["sample"]), row["class"])
        assert item["probability"] == float(row["probability"])
        assert item["probabilities"] == {str(k): float(row[f"p_{k}"]) for k in range(10)}


def test_all_images_of_a_folder_are_predicted_and_its_other_files_counted():
    x = np.round(held_out("classifier")[:3, ..., 0] * 255).astype(np.uint8)
    for name, image in zip(("photos/b.png", "photos/deep/c.tif", "photos/a.bmp"), x, strict=True):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(name)
    Path("photos/notes.txt").write_text("")
    files = ["photos/a.bmp", "photos/b.png", "photos/deep/c.tif"]
    assert mlphys("predict", "classifier", "photos", "--out", "folder.csv") == (
        "mlphys: photos: 1 files are no images and are not read: 1 .txt\n"
    )
    assert mlphys("predict", "classifier", *files) == Path("folder.csv").read_text()
    assert [row["file"] for row in rows(Path("folder.csv").read_text())] == files
    Path("empty").mkdir()
    assert reason("predict", "classifier", "empty").startswith("empty: a folder without images (.png, .jpg")


def test_the_distance_from_the_training_samples_stands_beside_the_probability_and_what_is_far_is_reported():
    dataset = Run(Path("runs/classifier/1")).dataset()
    known = dataset.train.x[:].reshape(300, -1)
    strange = np.indices((8, 8)).sum(axis=0)[..., None] % 2 * np.float32(1)
    x = np.stack([*dataset.test.x[:2], dataset.train.x[0], strange])
    np.save("x.npy", x)
    printed = mlphys("predict", "classifier", "x.npy", "--out", "p.csv")
    found = rows(Path("p.csv").read_text())
    expected = np.sqrt(np.square(x.reshape(4, 1, -1) - known).mean(axis=2).min(axis=1))
    assert np.allclose([float(row["distance"]) for row in found], expected, rtol=1e-3, atol=1e-6)
    assert [float(row["farther_than"]) for row in found[2:]] == [0, 1]
    assert printed.startswith(f"mlphys: far from all training samples: x.npy ({expected[3]:.2g}); none of 100 ")
    (row, *_) = json.loads(mlphys("predict", "classifier", "x.npy", "--json").partition("\n")[2])
    assert row["distance"] == float(found[0]["distance"])


def test_what_the_net_saw_is_saved_as_images():
    x = np.round(held_out("classifier")[:2] * 255) / np.float32(255)
    np.save("x.npy", x)
    mlphys("predict", "classifier", "x.npy", "--save-inputs", "seen", "--out", "p.csv")
    saved = sorted(Path("seen").iterdir())
    assert [path.name for path in saved] == ["0_x_0.png", "1_x_1.png"]
    assert all(
        np.array_equal(np.asarray(Image.open(path)) / np.float32(255), s[..., 0])
        for path, s in zip(saved, x, strict=True)
    )
    assert reason("predict", "classifier", "x.npy", "--save-inputs", "seen") == (
        "seen: exists; it is not overwritten; name another file"
    )
    np.savetxt("x.csv", held_out("regressor")[:2], delimiter=",")
    assert reason("predict", "regressor", "x.csv", "--save-inputs", "other") == (
        "other: samples of 1 are no images; --save FILE.npz keeps them"
    )


def photos(folder: str, count: int = 30) -> np.ndarray:
    """Test digits as files in a folder of their class; their labels."""
    test = Run(Path("runs/classifier/1")).dataset().test
    for i in range(count):
        path = Path(folder, str(test.y[i]), f"{i:03}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.round(test.x[i, ..., 0] * 255).astype(np.uint8)).save(path)
    return test.y[:count]


def test_another_labelled_set_is_measured_under_its_own_name_and_never_as_test():
    before = Path("runs/classifier/1/metrics.json").read_bytes()
    labels = photos("mine/test")
    said = rows(mlphys("predict", "classifier", "mine/test"))
    right = sum(row["class"] == Path(row["file"]).parent.name for row in said)
    printed = mlphys("evaluate", "classifier", "--data", "mine/test")
    assert printed.startswith("classifier/1: mine/test, 30 samples\n")
    kept = json.loads(Path("runs/classifier/1/analysis/evaluation_mine_test.json").read_text())
    assert kept["accuracy"] == pytest.approx(right / len(labels))
    assert kept["path"] == str(Path("mine/test").absolute())
    assert json.loads(mlphys("evaluate", "classifier", "--data", "mine/test", "--json")) == {
        key: value for key, value in kept.items() if key != "path"
    }
    assert Path("runs/classifier/1/metrics.json").read_bytes() == before


def test_classes_of_another_labelled_set_are_matched_by_their_names():
    photos("mine")
    Path("mine/7").rename("mine/seven")
    assert reason("evaluate", "classifier", "--data", "mine") == (
        "mine: seven is no class of the run (classes: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)"
    )
    assert reason("evaluate", "classifier", "--data", "mine/0") == (
        "mine/0: has no folders; expected one of images for each class"
    )
    assert reason("evaluate", "regressor", "--data", "mine") == (
        "mine: folders of images are classes, and the network was trained without; leave --data out"
    )


def test_a_regressor_gives_a_value():
    x = held_out("regressor")
    np.savetxt("x.csv", x, header="x", comments="")
    found = rows(mlphys("predict", "regressor", "x.csv"))
    with np.load("runs/regressor/1/predictions_test.npz") as evaluated:
        assert np.allclose([float(row["value"]) for row in found], evaluated["outputs"][:, 0], rtol=1e-5)


def test_pca_gives_error_and_code_and_saves_reconstructions():
    x = held_out("pca")
    np.save("x.npy", x)
    found = rows(mlphys("predict", "pca", "x.npy", "--save", "all.npz"))
    assert list(found[0]) == ["file", "sample", "code_0", "code_1", "code_2", "mse", "mae"]
    with np.load("runs/pca/1/predictions_test.npz") as evaluated, np.load("all.npz") as saved:
        assert np.allclose([float(row["mse"]) for row in found], evaluated["squared_errors"], rtol=1e-4)
        assert np.allclose(saved["codes"], evaluated["codes"], rtol=1e-4, atol=1e-6)
        assert np.array_equal(saved["x"], x)
        error = ((saved["reconstructions"] - x) ** 2).reshape(len(x), -1).mean(axis=1)
        assert np.allclose(error, saved["squared_errors"], rtol=1e-4)


def test_a_transform_saves_the_images_that_it_makes():
    x = held_out("transform")[:3]
    np.save("x.npy", x)
    found = rows(mlphys("predict", "transform", "x.npy", "--save", "all.npz"))
    pooled = x.reshape(3, 4, 2, 4, 2, 1).mean(axis=(2, 4))
    with np.load("all.npz") as saved:
        assert np.allclose(saved["outputs"], pooled)
    assert np.allclose([float(row["output_mean"]) for row in found], pooled.mean(axis=(1, 2, 3)))


def test_nothing_is_overwritten():
    np.save("x.npy", held_out("classifier")[:1])
    assert mlphys("predict", "classifier", "x.npy", "--out", "p.csv") == ""
    assert len(rows(Path("p.csv").read_text())) == 1
    assert reason("predict", "classifier", "x.npy", "--out", "p.csv") == (
        "p.csv: exists; it is not overwritten; name another file"
    )
    assert reason("predict", "classifier", "x.npy", "--out", "nowhere/p.csv") == (
        "nowhere/p.csv: no such folder as nowhere; make it, or name another file"
    )
    assert reason("predict", "classifier", "x.npy", "--save", "p.h5") == "p.h5: --save writes an npz file; name it so"


def test_what_is_wrong_with_the_input_is_reported_before_tensorflow_is_imported():
    np.save("right.npy", held_out("classifier")[:1])
    np.save("wrong.npy", 100 * held_out("classifier")[:1])
    script = (
        "import sys\nfrom mlphys.cli import main\n"
        "try:\n    main(['predict', 'classifier', 'right.npy', 'wrong.npy'])\n"
        "finally:\n    print({'tensorflow', 'keras'} & sys.modules.keys())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "set()\n"
    assert done.stderr == (
        "mlphys: wrong.npy: values from 0 to 100; the network was trained on values from 0 to 1; divide them by 255\n"
    )


def test_the_range_of_a_run_of_an_earlier_version_is_not_known():
    path = Path("runs/classifier/1/data.json")
    data = json.loads(path.read_text())
    assert data["splits"]["train"].pop("range") == [0, 1]
    path.write_text(json.dumps(data))
    np.save("x.npy", 3 * held_out("classifier")[:1])
    mlphys("predict", "classifier", "x.npy", "--out", "p.csv")
    assert len(rows(Path("p.csv").read_text())) == 1


def test_an_interrupted_run_predicts_with_the_weights_that_it_has_and_says_so():
    path = Path("runs/classifier/1/status.json")
    path.write_text(path.read_text().replace("done", "interrupted"))
    np.save("x.npy", Run(path.parent).dataset().test.x[:2])
    printed = mlphys("predict", "classifier", "x.npy")
    assert "runs/classifier/1: its training was interrupted: weights of epoch 3, " in printed
    assert "x.npy,0," in printed
