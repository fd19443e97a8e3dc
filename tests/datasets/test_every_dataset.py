import inspect
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from pydantic import ValidationError

from mlphys.data.splits import fingerprint, split
from mlphys.io.download import locate
from mlphys.numerics import chunked
from mlphys.schema import registry
from mlphys.schema.data import Dataset, Description, RemoteFile
from mlphys.schema.samples import Samples
from tests.helpers.made_up_entry import mlphys_with

PACKAGE = "mlphys.datasets"
DATASETS = registry.entries(PACKAGE, Dataset)
every = pytest.mark.parametrize("name", DATASETS)


class Example(NamedTuple):
    dataset: Dataset
    description: Description
    samples: Samples


@pytest.fixture(scope="module", params=DATASETS)
def example(request, tmp_path_factory) -> Example:
    """What an entry names as its example, read; skipped where it would have to be downloaded."""
    entry = DATASETS[request.param]
    for source in entry.sources():
        if locate(source) is None:
            pytest.skip(f"{source.name} is not here: `mlphys data fetch {request.param}`, or set MLPHYS_DATA")
    dataset = entry.model_validate(entry.example(tmp_path_factory.mktemp(request.param))).resolved()
    return Example(dataset, dataset.describe(), dataset.load())


@every
def test_its_name_is_that_of_its_file(name, tmp_path):
    assert DATASETS[name].model_fields["name"].annotation.__args__ == (name,)
    assert DATASETS[name].example(tmp_path)["name"] == name


@every
def test_its_first_line_says_what_it_is(name):
    assert inspect.getdoc(DATASETS[name]).partition("\n")[0].endswith(".")


@every
def test_its_downloads_have_a_checksum(name):
    for source in DATASETS[name].sources():
        assert isinstance(source, RemoteFile)
        assert source.dataset == name
        assert len(source.sha256) == 64


@every
def test_a_key_that_it_does_not_have_is_refused(name, tmp_path):
    with pytest.raises(ValidationError):
        DATASETS[name].model_validate(DATASETS[name].example(tmp_path) | {"no_such_key": 1})


def test_what_is_described_is_what_is_loaded(example):
    _, description, samples = example
    assert samples.x.shape == (description.samples, *description.shape)
    assert samples.y.shape == (description.samples, *description.target_shape)
    if description.test_samples is None:
        assert samples.x_test is None
        assert samples.y_test is None
    else:
        assert samples.x_test.shape == (description.test_samples, *description.shape)
        assert samples.y_test.shape == (description.test_samples, *description.target_shape)


def test_samples_are_finite_float32_and_labels_int32_of_every_class(example):
    _, description, samples = example
    assert samples.x.dtype == np.float32
    assert all(np.isfinite(piece).all() for piece in chunked.pieces(samples.x))
    if description.classes:
        assert samples.y.dtype == np.int32
        assert set(samples.y.tolist()) == set(range(len(description.classes)))
    else:
        assert samples.y.dtype == np.float32
        assert np.isfinite(samples.y).all()


@every
def test_the_keys_of_its_paths_are_declared_and_hold_wherever_the_run_is(name, tmp_path):
    entry = DATASETS[name]
    assert set(entry.PATH_KEYS) == {"path", "votes"} & set(entry.model_fields)
    keys = entry.example(tmp_path) | dict.fromkeys(entry.PATH_KEYS, "a/b.npz")
    dataset = entry.model_validate(keys)
    assert [getattr(dataset, key) for key in entry.PATH_KEYS] == [str(Path.cwd() / "a/b.npz")] * len(entry.PATH_KEYS)


def test_samples_have_the_same_bytes_whenever_they_are_loaded(example):
    assert fingerprint(example.dataset.load()) == fingerprint(example.samples)


def test_it_is_split_without_a_sample_lost(example):
    _, description, samples = example
    parts = split(example.dataset, description, samples)
    expected = description.samples + (description.test_samples or 0)
    assert len(parts.train) + len(parts.validation) + len(parts.test) == expected


def test_importing_them_imports_neither_tensorflow_nor_scikit_learn():
    lines = [f"import {PACKAGE}.{name}" for name in DATASETS]
    lines.append("import sys; print(sorted({'tensorflow', 'keras', 'sklearn'} & sys.modules.keys()))")
    out = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


RAMP = '''
from typing import Literal

import numpy as np

from mlphys.schema.data import Description, Generated
from mlphys.schema.samples import Samples


class Ramp(Generated):
    """Numbers from 0 to 1, with their squares."""

    name: Literal["ramp"]

    def describe(self):
        return Description((1,), classes=(), samples=self.samples, test_samples=None, target_shape=(1,))

    def load(self):
        x = np.linspace(0, 1, self.samples, dtype=np.float32)[:, None]
        return Samples(x, x**2)

    @classmethod
    def example(cls, folder):
        return {"name": "ramp", "samples": 30}
'''
RAMP_CONFIG = """
data: {name: ramp, samples: 40, train: 20, validation: 10, test: 10}
model: {kind: regressor, layers: [{Dense: {units: 1}}]}
"""


@pytest.fixture(scope="module")
def with_ramp(tmp_path_factory):
    return mlphys_with(PACKAGE, "ramp", RAMP, tmp_path_factory.mktemp("ramp") / "more")


@pytest.fixture
def mlphys(with_ramp, tmp_path, monkeypatch):
    """The command, with one more file in datasets/."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ramp.yaml").write_text(RAMP_CONFIG)
    return with_ramp


def test_a_new_dataset_is_one_file(mlphys):
    assert "ramp                  Numbers from 0 to 1, with their squares." in mlphys("list", "datasets")
    assert mlphys("config", "check", "ramp.yaml").startswith("ramp.yaml: OK (ramp, 2 parameters)\n")
    assert "train 20" in " ".join(mlphys("data", "check", "ramp.yaml").split())


def test_a_new_dataset_is_validated(mlphys):
    printed = mlphys("config", "check", "ramp.yaml", "--set", "data.sampels=3", code=2)
    assert "unknown key" in printed
    assert "samples" in printed


def test_a_dataset_that_lacks_something_cannot_be_made():
    class Incomplete(Dataset):
        pass

    with pytest.raises(TypeError, match=r"describe.*example.*load"):
        Incomplete(name="incomplete")
