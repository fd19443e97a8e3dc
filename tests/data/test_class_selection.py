"""Some classes of a dataset, and fewer samples of one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mlphys.config.load import load
from mlphys.data import class_selection
from mlphys.datasets.digits import Digits
from mlphys.errors import UserError
from mlphys.runs.run import Run
from mlphys.schema.data import Description
from mlphys.schema.document import dump
from mlphys.schema.samples import Samples

CLASSIFIER = "{kind: classifier, layers: [Flatten, {Dense: {units: %d, activation: softmax}}]}"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def written(data: str, units: int = 2) -> Path:
    Path("f.yaml").write_text(f"data: {data}\nmodel: {CLASSIFIER % units}\n")
    return Path("f.yaml")


def refusal(data: str) -> str:
    with pytest.raises(UserError) as raised:
        load(written(data))
    return str(raised.value)


def selected(**keys) -> tuple[Description, Samples, Samples]:
    spec = Digits(name="digits", **keys)
    everything = spec.load()
    return *class_selection.select(spec, spec.describe(), everything), everything


def test_chosen_classes_are_kept_and_numbered_in_their_order():
    description, kept, everything = selected(classes=["5", "3"])
    assert description.classes == ("5", "3")
    chosen = np.isin(everything.y, [5, 3])
    assert description.samples == len(kept.x) == chosen.sum()
    np.testing.assert_array_equal(kept.x, everything.x[chosen])
    np.testing.assert_array_equal(np.array([5, 3])[kept.y], everything.y[chosen])
    assert kept.y.dtype == np.int32


def test_numbers_name_classes_as_text_does():
    first, second = (load(written(f"{{name: digits, classes: {classes}}}")) for classes in ("[3, 5]", "['3', '5']"))
    assert first == second
    assert first.description.classes == ("3", "5")
    assert set(np.unique(first.dataset().test.y)) == {0, 1}


def test_imbalance_keeps_the_fraction_of_a_class_and_all_of_the_others():
    _, kept, everything = selected(imbalance={"3": 0.25, "7": 1.0})
    before, after = np.bincount(everything.y), np.bincount(kept.y)
    assert after[3] == round(0.25 * before[3])
    np.testing.assert_array_equal(np.delete(after, 3), np.delete(before, 3))


def test_of_a_class_at_least_one_sample_is_kept():
    _, kept, _ = selected(imbalance={"3": 1e-6})
    assert np.bincount(kept.y)[3] == 1


def test_the_split_seed_decides_which_samples_are_kept():
    first, again, other = (selected(imbalance={"3": 0.5}, split_seed=seed)[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.x, again.x)
    assert not np.array_equal(first.x, other.x)


def test_the_official_test_set_is_selected_too():
    y = np.arange(40, dtype=np.int32) % 4
    samples = Samples(y[:, None].astype(np.float32), y, y[:20, None].astype(np.float32), y[:20])
    description = Description((1,), tuple("abcd"), 40, 20)
    spec = Digits(name="digits", classes=["d", "b"], imbalance={"b": 0.4})
    description, kept = class_selection.select(spec, description, samples)
    assert (description.samples, description.test_samples) == (14, 7)
    np.testing.assert_array_equal(np.array([3, 1])[kept.y_test], kept.x_test[:, 0])
    assert np.bincount(kept.y_test).tolist() == [5, 2]


def test_nothing_is_read_without_a_choice():
    assert not class_selection.leaves_out(Digits(name="digits"))
    assert class_selection.leaves_out(Digits(name="digits", classes=["3"]))
    assert class_selection.leaves_out(Digits(name="digits", imbalance={"3": 0.5}))


ALL = "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{name: digits, classes: [3, 11]}", "data.classes.1: no such class; did you mean 1?"),
        ("{name: digits, classes: [3, 5, 3]}", "data.classes.2: 3 is named twice"),
        ("{name: digits, classes: []}", "data.classes: needs at least 1 entries; received []"),
        ("{name: digits, classes: [3.5]}", "data.classes.0: expected text; received 3.5"),
        ("{name: digits, imbalance: {x: 0.5}}", f"data.imbalance.x: no such class; allowed {ALL}"),
        (
            "{name: digits, classes: [3, 5], imbalance: {4: 0.5}}",
            "data.imbalance.4: is left out by data.classes; leave one of them out",
        ),
        ("{name: digits, imbalance: {4: 0}}", "data.imbalance.4: must be greater than 0; received 0"),
        ("{name: digits, imbalance: {4: 1.5}}", "data.imbalance.4: must be at most 1; received 1.5"),
        (
            "{name: function_1d, function: absolute, samples: 9, classes: [3]}",
            "data.classes.0: no such class; this dataset has none",
        ),
        (
            "{name: digits, classes: [3]}",
            "data: there is one class only, 3: nothing to tell apart",
        ),
        (
            "{name: circle_or_square, size: 9, samples: 99, fresh: true, imbalance: {circle: 0.5}}",
            "data: fresh samples are balanced over all classes; leave classes and imbalance out, or fresh",
        ),
        (
            "{name: blobs, samples: 99, fresh: true}",
            "data: fresh samples would have other cluster centers in every epoch; leave fresh out",
        ),
    ],
)  # fmt: skip
def test_a_wrong_choice_is_refused_at_its_place(data, message):
    assert refusal(data) == f"f.yaml:1: {message}"


def test_a_choice_is_judged_without_tensorflow():
    written("{name: digits, classes: [3, 5], imbalance: {3: 0.1}}")
    code = (
        "import sys; from pathlib import Path; from mlphys.config.load import load; load(Path('f.yaml'));"
        "print(sorted({'tensorflow', 'keras', 'matplotlib'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_strangers_run_with_classes_that_its_data_lacks_is_refused():
    loaded = load(written("{name: digits, classes: [3, 5]}"))
    from mlphys.data import splits
    from mlphys.runs.writer import RunWriter

    facts = splits.summary(loaded.dataset(), loaded.experiment.data, loaded.description)
    config = loaded.experiment.model_dump()
    config["data"]["classes"] = ["zebra", "5"]
    Path("run").mkdir()
    RunWriter(Path("run")).begin(config, facts | {"classes": ["zebra", "5"]})
    with pytest.raises(UserError) as raised:
        Run(Path("run")).dataset()
    assert str(raised.value) == f"data.classes.0: no such class; allowed {ALL}"


def test_the_completed_config_reads_back():
    loaded = load(written("{name: digits, classes: [5, 3], imbalance: {3: 0.1}}"))
    Path("complete.yaml").write_text(dump(loaded.experiment.model_dump()))
    assert load(Path("complete.yaml")) == loaded
