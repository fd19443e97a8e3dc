import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from mlphys.data.splits import fingerprint
from mlphys.schema import registry
from mlphys.schema.data import Dataset

DATASETS = registry.entries("mlphys.datasets", Dataset)
# Small ones of all that are drawn at random; that they are as described is proved in test_every_dataset.
GENERATED = [entry.example(Path()) for entry in DATASETS.values() if "sample_seed" in entry.model_fields]
IMAGES_TO_IMAGES = {"name": "shapes", "samples": 30, "kinds": ["circle"], "count": 5, "target": "squares"}
each = pytest.mark.parametrize("keys", [*GENERATED, IMAGES_TO_IMAGES], ids=lambda keys: keys["name"])


def generated(**keys) -> Dataset:
    return DATASETS[keys["name"]](**keys)


@each
def test_targets_are_as_described_whatever_they_are(keys):
    dataset = generated(**keys)
    description, samples = dataset.describe(), dataset.load()
    assert samples.y.shape == (description.samples, *description.target_shape)
    assert samples.y.dtype == (np.int32 if description.classes else np.float32)


@each
def test_all_classes_have_as_many_samples(keys):
    dataset = generated(**keys)
    description, samples = dataset.describe(), dataset.load()
    if description.classes:
        assert len(set(np.bincount(samples.y, minlength=len(description.classes)))) == 1


@each
def test_the_same_sample_seed_gives_the_same_samples_and_another_gives_others(keys):
    first, again, other = (generated(**keys, sample_seed=seed).load() for seed in (3, 3, 4))
    assert fingerprint(first) == fingerprint(again)
    assert fingerprint(first) != fingerprint(other)


@each
def test_no_seed_but_that_of_the_samples_can_change_them(keys):
    assert {key for key in DATASETS[keys["name"]].model_fields if "seed" in key} == {"split_seed", "sample_seed"}
    samples, others = (generated(**keys, split_seed=seed).load() for seed in (0, 1))
    assert fingerprint(samples) == fingerprint(others)


@each
def test_no_file_is_needed(keys):
    dataset = generated(**keys)
    assert dataset.sources() == dataset.files() == ()


@pytest.mark.parametrize(
    ("keys", "key"),
    [(keys, key) for keys in GENERATED for key in keys if key.startswith("samples")],
    ids=lambda value: value["name"] if isinstance(value, dict) else value,
)
def test_a_generator_of_zero_samples_is_refused(keys, key):
    with pytest.raises(ValidationError, match="greater than or equal to 1") as refused:
        generated(**keys | {key: 0})
    assert {found["loc"] for found in refused.value.errors()} == {(key,)}


TOO_LARGE = [
    ("circles", {"samples": 100_001}, "100001 images of 50 x 50 are 250002500 pixels, more than 250000000"),
    ("shapes", {"samples": 343_000}, "343000 images of 27 x 27 are 250047000 pixels, more than 250000000"),
    (
        "shapes",
        {"samples": 200_000, "target": "squares"},
        "400000 images of 27 x 27 are 291600000 pixels, more than 250000000",
    ),
    ("circle_or_square", {"samples": 625_001}, "625001 images of 20 x 20 are 250000400 pixels, more than 250000000"),
    ("lorentz_gauss", {"samples": 1_250_001}, "1250001 curves of 100 points are 125000100 values"),
    (
        "blobs",
        {"samples": 1000, "features": 200_000},
        "1000 samples of 200000 features are 200000000 values, more than 125000000; lower samples or features",
    ),
]


@pytest.mark.parametrize(("name", "keys", "text"), TOO_LARGE)
def test_more_than_memory_should_hold_is_refused(name, keys, text):
    with pytest.raises(ValidationError, match=text):
        generated(name=name, **keys)


def test_describing_them_does_not_import_scikit_learn():
    lines = [
        "from mlphys.schema import registry",
        "from mlphys.schema.data import Dataset",
        "datasets = registry.entries('mlphys.datasets', Dataset)",
        *(f"datasets[{keys['name']!r}](**{keys!r}).describe()" for keys in GENERATED),
        "import sys; print('sklearn' in sys.modules)",
    ]
    out = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
