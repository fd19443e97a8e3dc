import inspect
import subprocess
import sys

import numpy as np
import pytest
from pydantic import ValidationError

from mlphys.data.splits import fingerprint, split
from mlphys.schema import registry

PACKAGE = "mlphys.datasets"

GENERATED = {
    "blobs": {"samples": 30},
    "circle_or_square": {"samples": 30},
    "circles": {"samples": 30},
    "crosses_and_noughts": {"samples": 30},
    "function_1d": {"samples": 30, "function": "sine"},
    "line": {"noise": 1.0},
    "lorentz_gauss": {"samples": 30},
    "moons": {"samples": 30},
    "photo_patches": {"samples": 30},
    "shapes": {"samples": 30},
    "spirals": {"samples_per_class": 10},
}
IMAGES_TO_IMAGES = {"samples": 30, "kinds": ["circle"], "count": 5, "target": "squares"}
each = pytest.mark.parametrize(("name", "keys"), [*GENERATED.items(), ("shapes", IMAGES_TO_IMAGES)])


def generate(name, **keys):
    entry = registry.entry(PACKAGE, name)
    spec = entry.Spec(name=name, **keys)
    return spec, entry.describe(spec), entry.load(spec)


@each
def test_what_is_described_is_what_is_generated(name, keys):
    _, description, samples = generate(name, **keys)
    assert samples.x.shape == (description.samples, *description.shape)
    assert samples.y.shape == (description.samples, *description.target_shape)
    assert samples.x_test is None
    assert description.test_samples is None


@each
def test_samples_are_finite_float32_and_labels_int32(name, keys):
    _, description, samples = generate(name, **keys)
    assert samples.x.dtype == np.float32
    assert samples.y.dtype == (np.int32 if description.classes else np.float32)
    assert np.isfinite(samples.x).all()
    assert np.isfinite(samples.y).all()


@each
def test_all_classes_have_as_many_samples(name, keys):
    _, description, samples = generate(name, **keys)
    if description.classes:
        assert len(set(np.bincount(samples.y, minlength=len(description.classes)))) == 1


@each
def test_the_same_sample_seed_gives_the_same_samples_and_another_gives_others(name, keys):
    first, again, other = (generate(name, **keys, sample_seed=seed)[2] for seed in (3, 3, 4))
    assert fingerprint(first) == fingerprint(again)
    assert fingerprint(first) != fingerprint(other)


@each
def test_they_are_split_without_a_sample_lost(name, keys):
    spec, description, samples = generate(name, **keys)
    dataset = split(spec, description, samples)
    assert len(dataset.train) + len(dataset.validation) + len(dataset.test) == description.samples


@each
def test_no_seed_but_that_of_the_samples_can_change_them(name, keys):
    entry = registry.entry(PACKAGE, name)
    assert list(inspect.signature(entry.load).parameters) == ["spec"]
    assert {key for key in entry.Spec.model_fields if "seed" in key} == {"split_seed", "sample_seed"}
    samples, others = (generate(name, **keys, split_seed=seed)[2] for seed in (0, 1))
    assert fingerprint(samples) == fingerprint(others)


@each
def test_no_file_is_needed(name, keys):
    spec, _, _ = generate(name, **keys)
    assert spec.sources() == spec.files() == ()


@pytest.mark.parametrize("name", [name for name in GENERATED if name != "line"])
def test_a_generator_of_zero_samples_is_refused(name):
    key = "samples_per_class" if name == "spirals" else "samples"
    with pytest.raises(ValidationError, match="greater than or equal to 1") as refused:
        generate(name, **GENERATED[name] | {key: 0})
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
    entry = registry.entry(PACKAGE, name)
    with pytest.raises(ValidationError, match=text):
        entry.Spec(name=name, **keys)


def test_describing_them_does_not_import_scikit_learn():
    lines = [
        "from mlphys.schema import registry",
        f"for name, keys in {GENERATED!r}.items():",
        f"    entry = registry.entry({PACKAGE!r}, name)",
        "    entry.describe(entry.Spec(name=name, **keys))",
        "import sys; print('sklearn' in sys.modules)",
    ]
    out = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
