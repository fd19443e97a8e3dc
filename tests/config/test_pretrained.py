"""Nets that begin with the encoder, or with all weights, of a finished run; on real digits."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mlphys.config.load import load
from mlphys.config.pretrained import runs_before
from mlphys.config.shipped import shipped
from mlphys.data.preprocessing import restored
from mlphys.errors import UserError
from mlphys.networks import builder
from mlphys.runs.run import Run
from mlphys.runs.trained_network import TrainedNetwork
from mlphys.schema.document import dump
from tests.helpers import fake_run
from tests.helpers.cli import mlphys, reason

DATA = {"name": "digits", "train": 200, "validation": 50, "test": 100}
CIRCLES = {"name": "circle_or_square", "samples": 500, "size": 20, "train": 300, "validation": 50, "test": 50}
DENSE = [{"Dense": {"units": 12, "activation": "sigmoid"}}]
BACK = [{"Dense": {"units": 64, "activation": "sigmoid"}}]
SOFTMAX = {"Dense": {"units": 10, "activation": "softmax"}}
NOISY = [
    {"Conv2D": {"filters": 3, "kernel_size": 3, "strides": 2, "kernel_regularizer": {"L2": {"l2": 0.1}}}},
    "BatchNormalization",
    {"GaussianNoise": {"stddev": 0.5}},
    {"Dropout": {"rate": 0.5}},
]
BACK_TO_IMAGES = [{"Conv2DTranspose": {"filters": 1, "kernel_size": 4, "strides": 2}}]
SOURCES = {
    "plain": {"kind": "autoencoder", "encoder": DENSE, "decoder": BACK},
    "tied": {"kind": "autoencoder", "encoder": DENSE, "decoder": "mirror", "tied": True},
    "sparse": {"kind": "autoencoder", "encoder": DENSE, "decoder": BACK, "sparsity": {"k": 3}},
    "variational": {"kind": "autoencoder", "encoder": DENSE, "decoder": BACK, "variational": {}},
    "noisy": {"kind": "autoencoder", "encoder": NOISY, "decoder": BACK_TO_IMAGES},
    "stacked": {
        "kind": "stacked_autoencoder",
        "stages": [{"encoder": DENSE, "sparsity": {"k": 5}}, {"encoder": [{"Dense": {"units": 4}}]}],
    },
    "whitened": {"kind": "autoencoder", "encoder": DENSE, "decoder": BACK},
    "classes": {"kind": "classifier", "layers": ["Flatten", SOFTMAX]},
}


STEPS = {"preprocess": ["standardize"]}
UNTRAINED = {"epochs": 0, "phases": None}


def config(name: str, model: dict, data: dict | None = None, **training: object) -> Path:
    path = Path(f"{name}.yaml")
    path.write_text(
        dump(
            {
                "name": name,
                "data": data if data and "name" in data else DATA | (data or {}),
                "model": model,
                "training": training,
            }
        )
    )
    return path


def on_code(source: str, data: dict | None = None, layers: tuple = (SOFTMAX,), **encoder: object) -> Path:
    """The config top.yaml of a classifier behind the encoder of a run."""
    model = {"kind": "classifier", "encoder": {"run": source, **encoder}, "layers": list(layers)}
    return config("top", model, data, epochs=2)


def begun_with(source: str, model: dict | None = None, data: dict | None = None, **training: object) -> Path:
    """The config more.yaml of a net that begins with all weights of a run."""
    return config("more", model or SOURCES[source], data, initial={"run": source}, **training)


def weights(run: str) -> dict[str, np.ndarray]:
    return load_file(f"runs/{run}/1/weights.safetensors")


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory) -> Path:
    """A folder with a run of every source, untrained but finished, and a classifier trained on the code of one."""
    path = tmp_path_factory.mktemp("sources")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        for name, model in SOURCES.items():
            steps = STEPS if name == "whitened" else {}
            mlphys("train", config(name, model, {"validation": 0, **steps}, **UNTRAINED), "--quiet", "--no-report")
        mlphys("train", on_code("plain"), "--quiet", "--no-report")
    return path


@pytest.fixture(autouse=True)
def folder(trained_once, tmp_path, monkeypatch) -> Path:
    shutil.copytree(trained_once, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("source", [name for name in SOURCES if name != "classes"])
def test_a_taken_encoder_gives_the_codes_of_its_run(source):
    layers = ("Flatten", SOFTMAX) if source == "noisy" else (SOFTMAX,)
    loaded, run = load(on_code(source, STEPS if source == "whitened" else {}, layers)), Run(Path(f"runs/{source}/1"))
    fitted = restored(loaded.experiment.data.preprocess, loaded.description.shape, loaded.pretrained)
    drawn = {name: np.ones(shape, np.float32) for name, shape in loaded.weight_shapes().items()}
    x = run.dataset().test.x[:20]
    outputs = TrainedNetwork(loaded, drawn | dict(loaded.pretrained), fitted).layers(x)
    code = [name for name in outputs if name.startswith("encoder.")][-1]
    codes = run.trained.predictions(x)["codes"]
    assert (outputs[code].reshape(codes.shape) == codes).all()
    assert np.ptp(codes) > 0


def test_the_weights_of_a_taken_encoder_are_those_of_its_run_to_the_last_byte():
    top, plain = weights("top"), weights("plain")
    for weight in ("kernel", "bias"):
        assert top.pop(f"encoder.1.Dense.{weight}").tobytes() == plain[f"encoder.0.Dense.{weight}"].tobytes()
    assert list(top) == ["layers.0.Dense.bias", "layers.0.Dense.kernel"]
    assert top["layers.0.Dense.bias"].any()


def test_a_trainable_encoder_begins_with_the_weights_of_its_run_and_changes():
    mlphys("train", on_code("plain", trainable=True), "--quiet", "--no-report", "--out", "tuned")
    run, kernel = Run(Path("tuned")), weights("plain")["encoder.0.Dense.kernel"]
    assert (run.initial["encoder.1.Dense.kernel"] == kernel).all()
    assert (run.weights["encoder.1.Dense.kernel"] != kernel).any()


def test_a_kept_encoder_works_in_training_as_afterwards():
    """No noise, no dropout, batch statistics as they were, no penalty on what cannot change."""
    loaded = load(on_code("noisy", layers=("Flatten", SOFTMAX)))
    network, x = builder.build(loaded.rows(), 0), loaded.dataset().test.x
    before = network.weight_arrays()
    assert (np.asarray(network.model(x, training=True)) == np.asarray(network.model(x, training=False))).all()
    assert not network.seeds
    assert sum(network.model.losses) == 0
    assert "kernel" not in loaded.cost()
    assert len(network.model.trainable_variables) == 2
    assert all((value == before[name]).all() for name, value in network.weight_arrays().items())


def test_a_trainable_encoder_has_the_noise_and_the_penalties_of_its_run():
    loaded = load(on_code("noisy", layers=("Flatten", SOFTMAX), trainable=True))
    network = builder.build(loaded.rows(), 0)
    assert list(network.seeds) == ["encoder.2.GaussianNoise.0", "encoder.3.Dropout.0"]
    assert sum(network.model.losses) > 0
    assert "encoder.0.Conv2D.kernel" in loaded.cost()


def test_layers_behind_an_encoder_see_through_it():
    layers = ({"Conv2D": {"filters": 2, "kernel_size": 2}}, "Flatten", SOFTMAX)
    fields = [row.receptive_field for row in load(on_code("noisy", layers=layers)).rows()]
    assert fields == [(3, 3), (3, 3), (3, 3), (3, 3), (5, 5), None, None]


def test_no_epoch_after_all_weights_of_a_run_gives_its_metrics():
    mlphys("train", begun_with("whitened", data=STEPS | {"validation": 0}, epochs=0), "--quiet", "--no-report")
    more, whitened = (json.loads(mlphys("evaluate", name, "--json")) for name in ("more", "whitened"))
    assert more == whitened


def test_a_tuned_encoder_comes_after_a_kept_one():
    """First the head alone, then all of it: two runs."""
    model = {"kind": "classifier", "encoder": {"run": "plain", "trainable": True}, "layers": [SOFTMAX]}
    loaded = load(begun_with("top", model))
    assert {name: value.tobytes() for name, value in loaded.pretrained.items()} == {
        name: value.tobytes() for name, value in weights("top").items()
    }


def test_a_run_goes_on_to_the_same_bytes_after_what_it_was_taken_from_is_gone():
    """Preprocessing stays as it was fitted for the encoder, whatever samples the layers behind it are shown."""
    mlphys("train", on_code("whitened", STEPS | {"train": 20}), "--out", "whole", "--quiet", "--no-report")
    fitted = Run(Path("runs/whitened/1")).preprocessing.named_arrays()
    mlphys("train", "top.yaml", "--out", "half", "--quiet", "--no-report", "--set", "training.epochs=1")
    shutil.rmtree("runs")
    mlphys("resume", "half", "--quiet", "--no-report", "--set", "training.epochs=2")
    assert Path("whole/weights.safetensors").read_bytes() == Path("half/weights.safetensors").read_bytes()
    assert all((value == Run(Path("half")).weights[name]).all() for name, value in fitted.items())
    mlphys("evaluate", "half")


def test_a_run_killed_before_its_first_checkpoint_starts_over_without_what_it_was_taken_from():
    first = weights("whitened")
    mlphys("train", begun_with("whitened", data=STEPS), "--out", "whole", "--quiet", "--no-report")
    before = Path("whole/weights.safetensors").read_bytes()
    status = Path("whole/status.json")
    status.write_text(status.read_text().replace("done", "interrupted"))
    shutil.rmtree("whole/checkpoints")
    shutil.rmtree("runs")
    assert "no checkpoint to resume from; starting over" in mlphys("resume", "whole")
    assert Path("whole/weights.safetensors").read_bytes() == before
    run = Run(Path("whole"))
    assert all((run.initial[name] == first[name]).all() for name in run.initial)
    assert all((run.weights[name] != first[name]).any() for name in run.initial)


def test_the_completed_config_of_a_run_takes_the_same_and_refuses_what_has_changed():
    loaded = load(on_code("plain"))
    complete = Path("complete.yaml")
    complete.write_text(dump(loaded.experiment.model_dump()))
    assert load(complete) == loaded
    path = Path("runs/plain/1/weights.safetensors")
    save_file({name: 2 * value for name, value in load_file(path).items()}, path)
    text = "its weights have changed; leave sha256 out to use the current ones"
    assert message(complete) == f"model.encoder.sha256: {path.parent.absolute()}: {text}"
    layers = complete.read_text().replace("units: 12", "units: 13")
    complete.write_text("\n".join(line for line in layers.splitlines() if "sha256" not in line))
    assert message(complete) == (
        f"model.encoder.layers: not those of {path.parent.absolute()}; leave them out: they are filled in"
    )


def test_a_name_is_the_newest_of_its_runs_and_a_number_that_one():
    shutil.copytree("runs/plain/1", "runs/plain/2")
    for name, number in (("plain", 2), ("plain/1", 1), ("runs/plain/1", 1)):
        assert load(on_code(name)).experiment.model.encoder.run == str(Path(f"runs/plain/{number}").absolute())


def test_explained_layers_tell_whose_they_are():
    place = Path("runs/plain/1").absolute()
    printed = mlphys("config", "explain", on_code("plain"))
    assert " encoder.1.Dense" in printed
    assert f"\nthe encoder's 780 parameters are those of {place} and are not trained\n" in printed
    printed = mlphys("config", "explain", on_code("plain", trainable=True))
    assert f"\nthe encoder's 780 parameters are those of {place} and are trained on\n" in printed
    assert f"\nall parameters begin as in {place}\n" in mlphys("config", "explain", begun_with("plain"))


def message(path: Path) -> str:
    """What is wrong with a config, without its file and line."""
    with pytest.raises(UserError) as raised:
        load(path)
    return str(raised.value).partition(": ")[2]


def test_a_missing_run_is_reported_with_the_command_that_makes_it():
    missing = "no such run, neither as a folder nor under runs/"
    assert message(on_code("nowhere")) == f"model.encoder.run: nowhere: {missing}; train it first, or name another"
    name = "dense_autoencoder_mnist"
    assert message(on_code(name)) == (
        f"model.encoder.run: {name}: {missing}; `mlphys config copy {name}` and `mlphys train {name}.yaml` make it"
    )
    Path("classes.yaml").rename(f"{name}.yaml")
    assert message(on_code(name)) == f"model.encoder.run: {name}: {missing}; `mlphys train {name}.yaml` makes it"


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (
            "interrupted",
            "its training is not finished (interrupted, 0 epochs so far); `mlphys resume runs/plain/1` continues it",
        ),
        ("diverged", "its training diverged; name another run"),
    ],
)
def test_an_unfinished_or_diverged_run_is_refused(state, text):
    status = Path("runs/plain/1/status.json")
    status.write_text(status.read_text().replace("done", state))
    assert message(on_code("plain")) == f"model.encoder.run: runs/plain/1: {text}"
    assert message(begun_with("plain")) == f"training.initial.run: runs/plain/1: {text}"


def test_a_run_without_an_encoder_is_refused():
    assert message(on_code("classes")) == (
        "model.encoder.run: runs/classes/1: kind classifier has no encoder of layers; "
        "name a run of an autoencoder or a stacked_autoencoder"
    )


def test_an_encoder_of_other_samples_is_refused():
    assert message(on_code("plain", CIRCLES)) == (
        "model.encoder.run: runs/plain/1: its encoder takes samples of 8 x 8 x 1, and those here are 20 x 20 x 1"
    )


def test_other_preprocessing_is_refused():
    text = "runs/whitened/1: was trained with other preprocessing; write the same"
    for path in (on_code("whitened"), begun_with("whitened")):
        assert message(path) == f"data.preprocess: {text}: [standardize]"
    assert message(on_code("plain", STEPS)) == (
        "data.preprocess: runs/plain/1: was trained with other preprocessing; write the same: none"
    )


def test_preprocessing_of_other_samples_is_refused():
    """Behind a projection the shapes are the same."""
    steps = {"preprocess": [{"project": 5}]}
    small = {"kind": "autoencoder", "encoder": DENSE, "decoder": [{"Dense": {"units": 5}}]}
    run = fake_run.write(config("projected", small, steps))
    text = f"data.preprocess: {run}: its preprocessing takes samples of 8 x 8 x 1, and those here are 20 x 20 x 1"
    assert message(begun_with("projected", small, CIRCLES | steps)) == text
    behind = {"kind": "classifier", "encoder": {"run": "projected"}, "layers": [{"Dense": {"units": 2}}]}
    assert message(config("top", behind, CIRCLES | steps)) == text


def test_weights_of_another_architecture_are_refused_by_the_first_that_differs():
    wide = SOURCES["plain"] | {"encoder": [{"Dense": {"units": 9}}]}
    text = "training.initial.run: runs/plain/1: is another architecture"
    assert message(begun_with("plain", wide)) == f"{text}: encoder.0.Dense.kernel is 64 x 9 here, 64 x 12 there"
    deep = SOURCES["plain"] | {"decoder": [*BACK, *BACK]}
    assert message(begun_with("plain", deep)) == f"{text}: decoder.1.Dense.kernel is 64 x 64 here, missing there"
    tied = SOURCES["tied"]
    assert message(begun_with("plain", tied)) == f"{text}: decoder.0.Dense.kernel is missing here, 12 x 64 there"


def test_what_is_computed_at_once_begins_with_no_weights():
    model = {"kind": "pca", "components": 3}
    assert message(config("more", model, initial={"run": "plain"})) == (
        "training.initial: kind: pca is solved directly, without initial weights; leave it out"
    )


def tampered(change) -> None:
    path = Path("runs/plain/1/weights.safetensors")
    arrays = load_file(path)
    change(arrays)
    save_file(arrays, path)


def wider(arrays: dict[str, np.ndarray]) -> None:
    arrays["encoder.0.Dense.bias"] = np.zeros(13, np.float32)


def not_finite(arrays: dict[str, np.ndarray]) -> None:
    arrays["encoder.0.Dense.bias"][0] = np.nan


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            wider,
            "does not fit config.yaml: encoder.0.Dense.bias has shape (13,), the config says (12,); "
            "retrain the experiment",
        ),
        (not_finite, "holds values that are not finite; retrain the experiment"),
    ],
)
def test_damaged_weights_are_refused(change, text):
    tampered(change)
    for path in (on_code("plain"), begun_with("plain")):
        assert reason("config", "check", path) == f"runs/plain/1/weights.safetensors: {text}"


def test_a_file_that_is_no_safetensors_is_refused():
    Path("runs/plain/1/weights.safetensors").write_bytes(b"\x80\x04cos\nsystem\n")
    assert reason("config", "check", on_code("plain")).startswith("runs/plain/1/weights.safetensors: cannot be read: ")


def test_a_run_that_has_lost_what_it_took_cannot_go_on():
    Path("runs/top/1/initial.safetensors").unlink()
    mlphys("evaluate", "top")
    assert reason("resume", "top", "--set", "training.epochs=4") == (
        "runs/top/1/initial.safetensors: not there; runs/top/1 is not a run, or an unfinished one"
    )


def test_a_run_whose_config_tells_no_layers_of_its_encoder_is_refused():
    path = Path("runs/top/1/config.yaml")
    text = path.read_text()
    start, stop = text.index("    layers:\n"), text.index("    sha256:")
    path.write_text(text[:start] + text[stop:])
    assert reason("evaluate", "top").endswith(
        " model.encoder.layers: a run's config holds the encoder's layers; retrain it"
    )


def test_the_runs_before_a_config_are_reported_without_them():
    assert runs_before(shipped()["autoencoder_64_mnist_bce"]) == ["autoencoder_64_mnist"]
    assert runs_before(shipped()["labels_on_code_mnist"]) == ["ksparse_mnist"]
    assert runs_before(shipped()["autoencoder_64_mnist"]) == []


@pytest.fixture
def weights_file(tmp_path, monkeypatch):
    """The file net.safetensors with the weights of a net of digits, in the current folder."""
    monkeypatch.chdir(tmp_path)
    kernel = np.arange(640, dtype="f4").reshape(64, 10) / 640
    save_file({"layers.1.Dense.kernel": kernel, "layers.1.Dense.bias": np.ones(10, "f4")}, "net.safetensors")
    return kernel


def begun_with_file(file: object = "net.safetensors", data: dict | None = None, **initial: object) -> Path:
    return config("more", SOURCES["classes"], data, epochs=0, initial={"file": file, **initial})


def test_a_training_begins_with_the_weights_of_a_file_whose_checksum_the_run_keeps(weights_file):
    resolved = load(begun_with_file())
    initial = resolved.experiment.training.initial
    assert initial.file == str(Path("net.safetensors").absolute())
    assert initial.sha256 == hashlib.sha256(Path("net.safetensors").read_bytes()).hexdigest()
    np.testing.assert_array_equal(resolved.pretrained["layers.1.Dense.kernel"], weights_file)
    assert load(begun_with_file(sha256=initial.sha256)).experiment.training.initial == initial


def test_a_file_of_weights_that_changed_does_not_fit_or_is_none_is_refused(weights_file):
    path, where = Path("net.safetensors").absolute(), "training.initial.file"
    other = "0" * 64
    assert reason("config", "check", begun_with_file(sha256=other)).endswith(
        f"training.initial.sha256: {path}: has changed; leave sha256 out to use it as it is now"
    )
    made_for = "write the layers and the preprocessing that it was made for"
    assert reason("config", "check", begun_with_file(data={"classes": ["1", "2"]})).count("outputs for 2 classes") == 1
    assert reason("config", "check", begun_with_file(data=STEPS)).endswith(
        f"{where}: {path}: does not fit the config: preprocess.0.standardize.mean has shape none, the config says "
        f"(8, 8, 1); {made_for}"
    )
    Path("net.safetensors").write_bytes(b"\x80\x04pickle")
    assert f"{where}: {path}: cannot be read: " in reason("config", "check", begun_with_file())
    Path("net.safetensors").unlink()
    assert f"{where}: {path}: no such file" in reason("config", "check", begun_with_file())


def test_initial_weights_are_of_a_run_or_of_a_file(weights_file):
    for given in ({"file": "net.safetensors", "run": "dae"}, {}):
        path = config("more", SOURCES["classes"], initial=given)
        assert "training.initial: takes a run or a file; write one of them" in reason("config", "check", path)
