import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlphys.data import split_sizes, splits
from mlphys.datasets.digits import Digits
from mlphys.errors import Refusal, UserError
from mlphys.schema.data import Dataset, Description
from mlphys.schema.samples import Samples, Split

WHOLE = Description(shape=(2,), classes=("a", "b", "c"), samples=300, test_samples=None)
OFFICIAL = replace(WHOLE, test_samples=100)
VALIDATED = replace(WHOLE, validation_samples=50)


class Numbered(Dataset):
    """Samples that hold their own number, with the description that a test gives them."""

    def describe(self) -> Description:
        raise NotImplementedError

    def load(self) -> Samples:
        raise NotImplementedError

    @classmethod
    def example(cls, folder: Path) -> dict:
        raise NotImplementedError


def spec(**keys) -> Dataset:
    return Numbered(name="numbered", **keys)


def numbered(description: Description, y: np.ndarray | None = None) -> Samples:
    """Samples that hold their own number; the official test set counts on from 1000."""
    n, m = description.samples, description.test_samples
    x = np.repeat(np.arange(n, dtype=np.float32)[:, None], 2, axis=1)
    y = np.arange(n, dtype=np.int32) % 3 if y is None else y.astype(np.int32)
    return Samples(x, y) if m is None else Samples(x, y, 1000 + x[:m], y[:m])


def numbers(split: Split) -> list[int]:
    return split.x[:, 0].astype(int).tolist()


@pytest.mark.parametrize(
    ("description", "keys", "expected"),
    [
        (WHOLE, {}, (210, 30, 60)),
        (OFFICIAL, {}, (270, 30, 100)),
        (WHOLE, {"train": 100, "validation": 0, "test": 50}, (100, 0, 50)),
        (OFFICIAL, {"train": 0.5, "validation": 0.25, "test": 0.25}, (150, 75, 25)),
        (WHOLE, {"train": 0.5, "validation": 0.25, "test": 0.25}, (150, 75, 75)),
        (OFFICIAL, {"validation": 299}, (1, 299, 100)),
        (OFFICIAL, {"test": 0}, (270, 30, 0)),
    ],
)
def test_counts_fractions_and_defaults_become_sizes(description, keys, expected):
    sizes = split_sizes.sizes(spec(**keys), description)
    assert tuple(sizes[name] for name in splits.NAMES) == expected


def test_resolved_sizes_resolve_to_themselves():
    sizes = split_sizes.sizes(spec(train=0.5, validation=0.1), WHOLE)
    assert split_sizes.sizes(spec(**sizes), WHOLE) == sizes


NONE = "0.001 of 300 samples is none; write a larger fraction, or a count"
MORE = "samples are more than 300"

REFUSED = [
    (OFFICIAL, "train", {"train": 290}, f"290 training and 30 validation {MORE}; train can be 270 at most"),
    (
        WHOLE,
        "train",
        {"train": 240},
        f"240 training and 30 validation and 60 test {MORE}; train can be 210 at most",
    ),
    (
        WHOLE,
        "train",
        {"train": 1, "test": 270},
        f"1 training and 30 validation and 270 test {MORE}; lower them",
    ),
    (OFFICIAL, "train", {"train": 0}, "without training samples nothing is learned; write at least 1"),
    (OFFICIAL, "train", {"train": 0.001}, NONE),
    (OFFICIAL, "validation", {"validation": 0.001}, NONE),
    (
        OFFICIAL,
        "validation",
        {"validation": 300},
        "300 validation samples leave none of 300 to train; lower them",
    ),
    (
        WHOLE,
        "validation",
        {"validation": 0.9},
        "270 validation and 60 test samples leave none of 300 to train; lower them",
    ),
    (OFFICIAL, "test", {"test": 101}, "101 samples, but the official test set has 100; lower it"),
    (VALIDATED, "validation", {"validation": 51}, "51 samples, but the file has 50 of validation; lower it"),
    (VALIDATED, "folds", {"folds": 3}, "this dataset has a validation set of its own; leave folds out"),
]


@pytest.mark.parametrize(("description", "key", "keys", "text"), REFUSED)
def test_sizes_that_do_not_fit_are_refused_at_their_key(description, key, keys, text):
    with pytest.raises(Refusal) as error:
        split_sizes.sizes(spec(**keys), description)
    assert (error.value.path, error.value.text) == (("data", key), text)


def test_official_sets_are_split_in_file_order_without_a_copy():
    samples = numbered(OFFICIAL)
    dataset = splits.split(spec(train=200, validation=50, test=10), OFFICIAL, samples)
    assert numbers(dataset.train) == list(range(200))
    assert numbers(dataset.validation) == list(range(200, 250))
    assert numbers(dataset.test) == list(range(1000, 1010))
    assert np.shares_memory(dataset.train.x, samples.x)
    assert np.shares_memory(dataset.test.x, samples.x_test)


def test_validation_stands_directly_behind_a_short_training_split():
    dataset = splits.split(spec(train=10, validation=5), OFFICIAL, numbered(OFFICIAL))
    assert numbers(dataset.validation) == [10, 11, 12, 13, 14]


def test_no_sample_is_in_two_splits_and_none_is_lost():
    dataset = splits.split(spec(), WHOLE, numbered(WHOLE))
    together = numbers(dataset.train) + numbers(dataset.validation) + numbers(dataset.test)
    assert sorted(together) == list(range(300))


def test_labels_stay_with_their_samples():
    samples = numbered(WHOLE)
    dataset = splits.split(spec(), WHOLE, samples)
    for split in (dataset.train, dataset.validation, dataset.test):
        assert np.array_equal(split.y, samples.y[numbers(split)])


PARTS = st.integers(0, 100) | st.floats(0.01, 0.99)


@given(PARTS, PARTS, PARTS | st.none(), st.sampled_from([WHOLE, OFFICIAL]))
def test_sizes_fit_the_samples_and_resolve_to_themselves_or_are_refused(validation, test, train, description):
    try:
        sizes = split_sizes.sizes(spec(validation=validation, test=test, train=train), description)
    except Refusal:
        return
    official = description.test_samples is not None
    own = sizes["train"] + sizes["validation"] + (0 if official else sizes["test"])
    assert own == description.samples if train is None else own <= description.samples
    assert sizes["train"] >= 1
    assert sizes["test"] <= (description.test_samples or description.samples)
    assert split_sizes.sizes(spec(**sizes), description) == sizes


MEMBERS = st.lists(st.integers(3, 60), min_size=1, max_size=4)  # of each class


@given(st.data(), MEMBERS, st.integers(0, 2**63 - 1))
def test_splits_of_any_sizes_are_disjoint_keep_their_labels_and_hold_the_classes_in_proportion(data, members, seed):
    y, n = np.repeat(np.arange(len(members)), members), sum(members)
    test = data.draw(st.integers(0, n - 1), "test")
    validation = data.draw(st.integers(0, n - test - 1), "validation")
    train = data.draw(st.integers(1, n - test - validation), "train")
    description = Description((2,), tuple("abcd"[: len(members)]), n, None)
    samples = numbered(description, y)
    dataset = splits.split(spec(train=train, validation=validation, test=test, split_seed=seed), description, samples)
    parts = (dataset.train, dataset.validation, dataset.test)
    assert tuple(len(part) for part in parts) == (train, validation, test)
    together = [number for part in parts for number in numbers(part)]
    assert len(set(together)) == len(together)
    for part in parts:
        assert np.array_equal(part.y, y[numbers(part)])
        counts = np.bincount(part.y, minlength=len(members))
        share = np.array(members) / n
        # a stretch of the systematic sample that takes a part t of all holds n_k t samples of a class, off by
        # less than 1, and n t of all, off by less than 1 for each class
        assert (np.abs(counts - share * len(part)) < 1 + len(members) * share).all()
    other = splits.split(spec(validation=0, test=test, split_seed=seed), description, samples)
    assert numbers(other.test) == numbers(dataset.test)


def test_a_split_may_be_empty():
    dataset = splits.split(spec(validation=0, test=0), WHOLE, numbered(WHOLE))
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (300, 0, 0)
    assert dataset.validation.x.shape == (0, 2)


def test_the_same_split_seed_gives_the_same_splits_and_another_gives_others():
    first, again, other = (splits.split(spec(split_seed=seed), WHOLE, numbered(WHOLE)) for seed in (7, 7, 2**63 - 1))
    assert numbers(first.train) == numbers(again.train)
    assert numbers(first.test) != numbers(other.test)


@pytest.mark.parametrize("keys", [{"validation": 0}, {"validation": 100}, {"train": 20}])
def test_the_test_samples_do_not_depend_on_the_other_sizes(keys):
    samples = numbered(WHOLE)
    usual = splits.split(spec(), WHOLE, samples)
    assert numbers(splits.split(spec(**keys), WHOLE, samples).test) == numbers(usual.test)


@pytest.mark.parametrize("proportions", [(1, 1, 1), (1, 5, 24), (1, 1, 98)])
def test_every_split_holds_the_classes_in_their_proportions(proportions):
    y = np.repeat([0, 1, 2], np.array(proportions) * 300 // sum(proportions))
    dataset = splits.split(spec(), WHOLE, numbered(WHOLE, y))
    for split in (dataset.train, dataset.validation, dataset.test):
        expected = len(split) * np.bincount(y) / len(y)
        assert np.abs(np.bincount(split.y, minlength=3) - expected).max() < 2


def test_every_sample_is_as_likely_in_the_test_split_as_any_other():
    y = np.repeat([0, 1, 2], [50, 100, 150])
    hits = np.zeros(300)
    for seed in range(400):
        hits[splits.stratified(y, seed)[:60]] += 1
    # 400 draws with probability 1/5: mean 80, standard deviation 8; 300 samples stay within 5 of them
    assert np.abs(hits - 80).max() < 40


def test_a_class_with_too_few_samples_for_the_splits_is_refused():
    y = np.array([0] * 200 + [1] * 98 + [2] * 2)
    with pytest.raises(UserError) as error:
        splits.split(spec(), WHOLE, numbered(WHOLE, y))
    assert str(error.value) == (
        "numbered: the class c has 2 of the 3 samples it needs, one per split; "
        "add samples, leave the class out, or set data.validation or data.test to 0"
    )
    assert len(splits.split(spec(validation=0), WHOLE, numbered(WHOLE, y)).train) == 240


def test_a_class_without_samples_is_no_obstacle():
    y = np.array([0] * 200 + [2] * 100)
    assert len(splits.split(spec(), WHOLE, numbered(WHOLE, y)).train) == 210


def test_the_fingerprint_is_the_sha256_of_the_bytes_of_x_and_y():
    split = Split(np.array([[1, 2], [3, 4]], np.float32)[:, ::-1], np.array([1, 0], np.int32))
    content = np.array([2, 1, 4, 3], np.float32).tobytes() + np.array([1, 0], np.int32).tobytes()
    assert splits.fingerprint(split) == hashlib.sha256(content).hexdigest()


def test_the_fingerprint_of_an_empty_split_is_that_of_no_bytes():
    split = Split(np.zeros((0, 8, 8, 1), np.float32), np.zeros(0, np.int32))
    assert splits.fingerprint(split) == hashlib.sha256(b"").hexdigest()


def test_the_summary_tells_what_data_json_must_hold():
    dataset = splits.split(spec(), OFFICIAL, numbered(OFFICIAL))
    summary = splits.summary(dataset, spec(), OFFICIAL)
    assert list(summary) == ["name", "shape", "classes", "samples", "test_samples", "target_shape", "splits", "files"]
    low, high = float(dataset.train.x.min()), float(dataset.train.x.max())
    assert summary["splits"]["train"]["range"] == [low, high]
    assert summary["splits"]["test"] == {
        "samples": 100,
        "class_counts": {"a": 34, "b": 33, "c": 33},
        "sha256": splits.fingerprint(dataset.test),
    }


def test_the_digits_are_split_as_they_were_in_every_run_before():
    chosen = Digits(name="digits")
    dataset = splits.split(chosen, chosen.describe(), chosen.load())
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (1258, 180, 359)
    assert splits.fingerprint(dataset.test) == ("b91d16720b5ba7fd9eda6735370851233b1540b5650ee00694939c622c5fcedf")


CHANGED = [
    ({"samples": 299}, "its shape has changed"),
    ({"test_samples": None}, "its shape has changed"),
    ({"shape": (3,)}, "its shape has changed"),
    ({"classes": ("a", "b")}, "it has more classes"),
]


@pytest.mark.parametrize(("change", "text"), CHANGED)
def test_samples_that_are_not_as_described_are_refused(change, text):
    with pytest.raises(UserError) as error:
        splits.split(spec(), replace(OFFICIAL, **change), numbered(OFFICIAL))
    assert str(error.value) == f"numbered: not the data it was before: {text}; start again"


def test_fractions_that_make_one_use_every_sample_once():
    described = Description((1,), ("a", "b"), 12, None)
    sizes = split_sizes.sizes(spec(train=0.75, validation=0.125, test=0.125), described)
    assert sum(sizes.values()) == 12


@pytest.mark.parametrize("described", [WHOLE, OFFICIAL])
def test_folds_part_what_training_and_validation_have_without_them_and_leave_test_alone(described):
    whole = splits.split(spec(train=200, validation=20), described, numbered(described))
    pool = sorted(np.concatenate([whole.train.x[:, 0], whole.validation.x[:, 0]]))
    validated = []
    for fold in range(3):
        found = splits.split(spec(train=200, validation=20, folds=3, fold=fold), described, numbered(described))
        assert sorted(np.concatenate([found.train.x[:, 0], found.validation.x[:, 0]])) == pool
        assert np.array_equal(found.test.x, whole.test.x)
        assert set(splits.class_counts(found.validation.y, described).values()) <= {23, 24, 25, 26}
        validated += list(found.validation.x[:, 0])
    assert sorted(validated) == pool


def test_folds_have_the_classes_in_their_proportions_in_a_file_that_is_sorted_by_class():
    sorted_by_class = numbered(OFFICIAL, np.repeat([0, 1, 2], 100))
    for fold in range(5):
        found = splits.split(spec(folds=5, fold=fold), OFFICIAL, sorted_by_class)
        assert splits.class_counts(found.validation.y, OFFICIAL) == {"a": 20, "b": 20, "c": 20}


def test_the_sizes_of_a_fold_are_complete_and_stay_what_they_are():
    first = split_sizes.sizes(spec(folds=7, fold=6), WHOLE)
    assert first == {"train": 205, "validation": 35, "test": 60}
    assert split_sizes.sizes(spec(folds=7, fold=6, **first), WHOLE) == first


def test_without_a_fold_the_sizes_are_those_of_the_first():
    assert split_sizes.sizes(spec(folds=5), WHOLE) == split_sizes.sizes(spec(folds=5, fold=0), WHOLE)


@pytest.mark.parametrize(
    ("keys", "key", "message"),
    [
        ({"fold": 1}, "fold", "leave it out without folds; received 1"),
        ({"folds": 3, "fold": 3}, "fold", "the folds are 0 to 2; received 3"),
        (
            {"folds": 9, "train": 4, "validation": 3},
            "folds",
            "7 training and validation samples, fewer than 9 folds",
        ),
    ],
)
def test_folds_that_cannot_be_are_refused(keys, key, message):
    with pytest.raises(Refusal) as refusal:
        split_sizes.sizes(spec(**keys), WHOLE)
    assert (refusal.value.path, refusal.value.text) == (("data", key), message)


def test_more_folds_than_a_class_has_samples_are_refused():
    y = np.array([0] * 200 + [1] * 97 + [2] * 3)
    with pytest.raises(UserError) as error:
        splits.split(spec(test=0, folds=4), WHOLE, numbered(WHOLE, y))
    assert str(error.value) == (
        "numbered: the class c has 3 training and validation samples, fewer than 4 folds; lower data.folds, "
        "add samples, or leave the class out"
    )


def test_in_order_keeps_the_files_order_training_first():
    dataset = splits.split(spec(split="in_order"), WHOLE, numbered(WHOLE))
    together = numbers(dataset.train) + numbers(dataset.validation) + numbers(dataset.test)
    assert together == list(range(300))


class Grouped(Numbered):
    HAS_COLUMNS = True


@given(st.integers(0, 100), st.integers(20, 60))
def test_a_split_by_a_column_keeps_every_group_in_one_split_and_loses_none(seed, groups):
    samples = numbered(WHOLE)
    of = np.random.default_rng(seed).permutation(np.arange(300) % groups)
    grouped = Grouped(name="numbered", split={"by": "run"}, split_seed=seed)
    dataset = splits.split(grouped, WHOLE, replace(samples, groups=of))
    parts = [numbers(getattr(dataset, name)) for name in splits.NAMES]
    assert sorted([*parts[0], *parts[1], *parts[2]]) == list(range(300))
    assert sum(len(set(of[part])) for part in parts) == groups
    largest = np.bincount(of).max()
    assert abs(len(dataset.test) - 60) <= largest
    assert abs(len(dataset.validation) - 30) <= largest


def test_a_column_with_too_few_values_for_the_splits_is_refused():
    grouped = Grouped(name="numbered", split={"by": "run"})
    with pytest.raises(UserError, match=r"data\.split: run has 1 different values, too few to give"):
        splits.split(grouped, WHOLE, replace(numbered(WHOLE), groups=np.zeros(300, int)))


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"split": {"by": "run"}}, "numbered has no columns; write stratified or in_order"),
        ({"split": "in_order", "folds": 3}, "folds are stratified, at random; leave folds out, or data.split"),
    ],
)
def test_a_rule_that_does_not_fit_is_refused(keys, text):
    with pytest.raises(Refusal) as error:
        split_sizes.sizes(spec(**keys), WHOLE)
    assert error.value.text == text


def test_weights_stay_with_their_samples_and_are_part_of_the_fingerprint():
    samples = replace(numbered(WHOLE), weights=np.arange(300, dtype=np.float32))
    dataset = splits.split(spec(), WHOLE, samples)
    for split in (dataset.train, dataset.validation, dataset.test):
        assert split.weights is not None
        assert split.weights.tolist() == numbers(split)
    assert splits.fingerprint(dataset.test) != splits.fingerprint(replace(dataset.test, weights=None))


def test_training_weights_have_mean_1_and_a_negative_one_is_refused_unless_its_size_counts():
    samples = replace(numbered(WHOLE), weights=np.arange(1, 301, dtype=np.float32))
    train = splits.split(spec(), WHOLE, samples).train
    assert splits.weighted_for_training(spec(), train).weights.mean() == pytest.approx(1)
    negative = replace(train, weights=-train.weights)
    with pytest.raises(UserError, match="negative_weights: absolute"):
        splits.weighted_for_training(spec(), negative)


def test_weights_that_sum_to_nothing_are_refused():
    with pytest.raises(UserError, match="the weights of test sum to 0; they must sum above 0"):
        splits.split(spec(), WHOLE, replace(numbered(WHOLE), weights=np.zeros(300, np.float32)))
