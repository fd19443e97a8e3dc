"""Nets of every kind, with weights drawn at random, are the same functions in other programs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mlphys.commands.export import export
from mlphys.config.experiment import MODELS
from mlphys.errors import UserError
from mlphys.export.exporting import CLOSE, samples_of
from mlphys.export.formats.keras import LATER
from mlphys.export.outputs import PARTS
from mlphys.notebook import load_run
from mlphys.numerics.randomness import rng
from mlphys.runs.run import Run
from mlphys.schema.document import dump
from tests.helpers.cli import mlphys
from tests.helpers.extras import needs

needs("onnxruntime")

DIGITS = {"name": "digits", "train": 200, "validation": 0, "test": 20}  # nothing to measure, which takes seconds
VALIDATED = {"validation": 100}
CURVE = {"name": "function_1d", "function": "sine", "samples": 200, "train": 120, "validation": 0, "test": 20}

SIGMOID = {"Dense": {"units": 5, "activation": "sigmoid"}}
CONV = {"Conv2D": {"filters": 2, "kernel_size": 3, "activation": "relu"}}
CODE = [{"Dense": {"units": 6, "activation": "tanh"}}]
BACK = [{"Dense": {"units": 64, "activation": "sigmoid"}}]

# data, model, and the parts that it has beside the whole
NETS = {
    "classifier": (
        DIGITS | VALIDATED | {"preprocess": ["standardize"]},
        {
            "kind": "classifier",
            "layers": [CONV, {"Dropout": 0.2}, "Flatten", {"Dense": {"units": 10, "activation": "softmax"}}],
        },
        (),
    ),
    "one_sigmoid": (
        DIGITS | {"classes": ["3", "8"], "train": 100},
        {"kind": "classifier", "layers": ["Flatten", {"Dense": {"units": 1, "activation": "sigmoid"}}]},
        (),
    ),
    "regressor": (
        CURVE | {"target_scaling": "standardize"},
        {"kind": "regressor", "layers": [{"Dense": {"units": 6, "activation": "gelu"}}, {"Dense": {"units": 1}}]},
        (),
    ),
    "autoencoder": (
        DIGITS | {"preprocess": ["subtract_mean", {"scale": 0.5}]},
        {"kind": "autoencoder", "encoder": CODE, "decoder": BACK},
        (),
    ),
    "tied": (
        DIGITS | {"preprocess": ["contrast_normalize"]},
        {
            "kind": "autoencoder",
            "encoder": [CONV, "Flatten", *CODE],
            "decoder": "mirror",
            "tied": True,
            "sparsity": {"k": 3},
        },
        ("encoder", "decoder"),
    ),
    "variational": (
        DIGITS | {"preprocess": [{"project": 20}]},
        {"kind": "autoencoder", "encoder": CODE, "decoder": [{"Dense": {"units": 20}}], "variational": {"beta": 1}},
        ("decoder",),
    ),
    "stacked_with_head": (DIGITS, MODELS["stacked_autoencoder"].example(), ()),
    "pca": (DIGITS, {"kind": "pca", "components": 4}, ()),
    "kmeans": (DIGITS, {"kind": "kmeans", "clusters": 6, "features": "triangle"}, ("encoder",)),
    "rbm": (DIGITS, {"kind": "rbm", "hidden": 5}, ()),
    "energy_classifier": (
        DIGITS | VALIDATED | {"classes": ["0", "1", "2"]},  # a net for each
        {"kind": "energy_classifier", "of": {"autoencoder": {"units": 4, "activation": "tanh", "output": "sigmoid"}}},
        (),
    ),
    "transform": (DIGITS, MODELS["transform"].example(), ()),
}
EXPORTS = [(name, part) for name, (_, _, parts) in NETS.items() for part in ("whole", *parts)]


def test_the_nets_are_of_every_kind():
    assert {model["kind"] for _, model, _ in NETS.values()} == set(MODELS)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of each net. Trained weights are replaced by random ones, so that no bias is zero."""
    folder, found = tmp_path_factory.mktemp("runs"), {}
    for i, (name, (data, model, _)) in enumerate(NETS.items()):
        training = {"epochs": 0} if MODELS[model["kind"]].ITERATIVE else {}
        if name == "one_sigmoid":
            training["loss"] = "binary_crossentropy"
        config, out = folder / f"{name}.yaml", folder / name
        config.write_text(dump({"name": name, "data": data, "model": model, "training": training}))
        mlphys("train", config, "--out", out, "--quiet", "--no-report")
        _draw_weights(out / "weights.safetensors", i)
        found[name] = Run(out)
    return found


def _draw_weights(path: Path, seed: int) -> None:
    random = rng(seed, "weights")
    arrays = load_file(path)
    for name, array in arrays.items():
        if not name.startswith(("preprocess", "target_scaling", "calibration", "mean", "components", "centroids")):
            arrays[name] = (array + 0.3 * random.normal(size=array.shape)).astype("f4")
    save_file(arrays, path)


@pytest.fixture(scope="module")
def files(runs, tmp_path_factory):
    """Each export in both formats."""
    folder = tmp_path_factory.mktemp("exports")
    return {
        (name, part, ending): export(runs[name], ending, folder / f"{name}_{part}.{ending}", part)
        for name, part in EXPORTS
        for ending in ("keras", "onnx")
    }


def test_every_net_and_part_gives_the_same_numbers_in_both_formats(files):
    assert len(files) == 2 * len(EXPORTS)
    assert {key: each.difference for key, each in files.items() if not each.difference <= CLOSE} == {}


def test_the_keras_files_are_opened_where_there_is_no_mlphys(files, runs, tmp_path):
    expected = {}
    for (name, part, ending), exported in files.items():
        if ending == "keras":
            run = runs[name]
            inputs = PARTS[part].inputs(run, samples_of(run)[1])
            [output] = list(exported.output_shapes)[:1]
            key = exported.path.name
            expected[f"{key}/x"] = inputs
            expected[f"{key}/y"] = PARTS[part].expected(run, inputs)[output]
    np.savez(tmp_path / "expected.npz", **expected)
    program = """
import json, sys
sys.modules["mlphys"] = None
import keras, numpy as np
folder, arrays = sys.argv[1], np.load(sys.argv[2])
found = {}
for name in {key.partition("/")[0] for key in arrays}:
    model = keras.saving.load_model(f"{folder}/{name}", safe_mode=True)
    y = model(arrays[f"{name}/x"], training=False)
    y = np.asarray(next(iter(y.values())) if isinstance(y, dict) else y)
    expected = arrays[f"{name}/y"]
    found[name] = float(abs(y - expected).max() / abs(expected).max())
print(json.dumps(found))
"""
    folder = next(iter(files.values())).path.parent
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, str(folder), str(tmp_path / "expected.npz")],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == len(EXPORTS)
    assert {name: difference for name, difference in found.items() if not difference <= CLOSE} == {}


def test_the_keras_files_name_nothing_that_earlier_versions_refuse(files):
    for (name, part, ending), exported in files.items():
        if ending == "keras":
            with zipfile.ZipFile(exported.path) as archive:
                config = archive.read("config.json").decode()
            for key, value in LATER.items():
                assert f'"{key}": {json.dumps(value)}' not in config, (name, part)


def test_the_onnx_files_take_any_number_of_samples_and_need_opset_20(files):
    import onnx

    model = onnx.load(files["classifier", "whole", "onnx"].path)
    [x] = model.graph.input
    assert [side.dim_param or side.dim_value for side in x.type.tensor_type.shape.dim] == ["n", 8, 8, 1]
    assert [opset.version for opset in model.opset_import] == [20]
    assert [output.name for output in model.graph.output] == ["probabilities"]


def test_a_model_card_says_what_goes_in_what_comes_out_and_how_good_it_is(files, runs):
    card = files["classifier", "whole", "onnx"].card.read_text()
    for line in (
        "# classifier_whole.onnx",
        "- input `x`: float32 (n, 8, 8, 1), as the dataset gives them; height, width, channels; the training samples "
        "have 0 to 1",
        "- output `probabilities`: float32 (n, 10): of the classes 0, 1, 2, 3, 4, 5, 6, 7, 8, 9",
        "Preprocessing, fitted to the training samples, is part of the file: standardize.",
        "digits, licence: CC BY 4.0 (UCI Machine Learning Repository).",
        f"| train | 200 | {runs['classifier'].data['splits']['train']['sha256']} |",
        "On 100 validation samples, one trained net, with standard errors over these samples:",
        "| majority_accuracy | 0.1000 | the accuracy of always the most frequent training class |",
        "- Its test split was not looked at; where training chose by validation, those numbers are too good.",
    ):
        assert line in card.splitlines(), card
    assert "float32 (n, 1): of the class 8" in files["one_sigmoid", "whole", "keras"].card.read_text()


@pytest.mark.parametrize(
    ("name", "part", "why"),
    [
        ("classifier", "encoder", "kind: classifier has no encoder"),
        ("kmeans", "decoder", "kind: kmeans has no decoder; train one of kind: autoencoder"),
        ("stacked_with_head", "decoder", "the decoders do not fit encoders that a head has trained on"),
    ],
)
def test_a_part_that_a_net_lacks_is_refused_with_the_reason(runs, tmp_path, name, part, why):
    with pytest.raises(UserError, match=why):
        export(runs[name], "keras", tmp_path / "part.keras", part)
    assert not list(tmp_path.iterdir())


def test_a_file_that_exists_is_kept(runs, tmp_path):
    for there in ("net.onnx", "net.onnx.md"):
        path = tmp_path / there
        path.write_text("mine")
        with pytest.raises(UserError, match=f"{there}: exists; it is not overwritten; name another file"):
            export(runs["pca"], "onnx", tmp_path / "net.onnx")
        assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(there, "mine")]
        path.unlink()


def test_a_package_that_is_missing_is_named_with_the_line_that_installs_it(runs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError) as missing:
        export(runs["pca"], "onnx", tmp_path / "net.onnx")
    assert str(missing.value) == (
        "ONNX files are written by onnx and tried with onnxruntime, and onnxruntime is not installed; "
        "`pip install 'mlphys[onnx]'` brings both"
    )


def test_the_formats_are_listed_with_their_endings():
    listed = mlphys("list", "formats")
    assert re.search(r"^ keras +\.keras +A \.keras file of Keras's own layers", listed, re.MULTILINE)
    assert re.search(r"^ onnx +\.onnx +An \.onnx file, opset 20", listed, re.MULTILINE)


def test_a_notebook_s_run_is_exported_by_a_method(runs, tmp_path):
    out = tmp_path / "net.onnx"
    assert load_run(runs["pca"].path).export("onnx", out) == out
    assert out.is_file()


def test_a_format_or_an_ending_that_is_not_known_is_refused(runs, tmp_path):
    with pytest.raises(UserError, match="unknown format; received text 'onyx'; allowed keras, onnx; did you mean onnx"):
        export(runs["pca"], "onyx")
    with pytest.raises(UserError, match=r"net.keras: a file of onnx ends in .onnx; name it so"):
        export(runs["pca"], "onnx", tmp_path / "net.keras")


def test_numbers_that_differ_leave_no_file(runs, tmp_path):
    run = Run(runs["pca"].path)
    expected = run.trained  # of the weights as they are
    run.__dict__["weights"] = {**run.weights, "mean": run.weights["mean"] + np.float32(1e-3)}
    assert run.trained is expected
    with pytest.raises(UserError, match=r"net.onnx: not written: onnxruntime .* differ .* by 0\.00\d+ of the largest"):
        export(run, "onnx", tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_the_command_says_how_far_the_numbers_are_and_what_it_wrote(runs, tmp_path):
    out = tmp_path / "code.onnx"
    printed = mlphys("export", runs["pca"].path, "--format", "onnx", "--part", "encoder", "--out", out)
    assert " on 100 train samples: differs by " in printed
    assert f"{out}: {out.stat().st_size:,} bytes; x [n, 8, 8, 1] -> codes [n, 4]\n" in printed
    assert f"{out}.md: its model card\n" in printed
