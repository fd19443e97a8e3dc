from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure

from mlphys.data import feature_histograms, inspection
from mlphys.errors import UserError
from mlphys.schema.data import Description
from mlphys.schema.samples import Split, Splits

CLASSES = ("up", "down")
CURVES = Description((6,), CLASSES, samples=12, test_samples=None)
IMAGES = Description((4, 6, 1), CLASSES, samples=12, test_samples=None)


def split(n: int, shape: tuple[int, ...] = (6,), seed: int = 0) -> Split:
    x = np.random.default_rng(seed).random((n, *shape)).astype(np.float32)
    return Split(x, np.arange(n, dtype=np.int32) % 2)


def dataset(shape: tuple[int, ...] = (6,)) -> Splits:
    return Splits(split(12, shape, seed=1), split(4, shape, seed=2), split(6, shape, seed=3))


def with_train(x: np.ndarray, y: np.ndarray | None = None) -> Splits:
    y = np.arange(len(x)) % 2 if y is None else y
    return Splits(Split(x.astype(np.float32), y.astype(np.int32)), split(0), split(0))


def test_data_without_oddities_gives_no_warnings():
    found = inspection.check(dataset(), CURVES)
    assert found.warnings() == []
    assert found.splits["train"].class_counts == {"up": 6, "down": 6}
    assert found.splits["test"].samples == 6
    assert found.balance == 1
    assert found.features == 6
    assert found.constant_features == 0
    assert 0 <= found.splits["train"].smallest < found.splits["train"].largest < 1


def test_copies_within_a_split_are_counted():
    x = split(12).x
    x[3] = x[7] = x[0]
    assert inspection.check(with_train(x), CURVES).splits["train"].duplicates == 2


def test_copies_across_splits_are_counted_and_warned_of():
    train, validation, test = split(12, seed=1), split(4, seed=2), split(6, seed=3)
    test.x[2] = test.x[5] = train.x[0]
    found = inspection.check(Splits(train, validation, test), CURVES)
    assert found.shared == {("train", "validation"): 0, ("train", "test"): 2, ("validation", "test"): 0}
    assert found.warnings() == ["2 test samples are also in train: metrics on test are too good"]


def test_of_few_targets_each_is_described_and_of_many_all_together():
    def notes(columns: int) -> tuple[str, ...]:
        y = np.arange(12 * columns, dtype=np.float32).reshape(12, columns)
        train = Split(split(12).x, y)
        none = Split(split(0).x, y[:0])
        description = Description((6,), (), samples=12, test_samples=None, target_shape=(columns,))
        return inspection.check(Splits(train, none, none), description).notes

    assert len(notes(inspection.MOST_TARGETS)) == inspection.MOST_TARGETS
    assert notes(inspection.MOST_TARGETS + 1) == (
        f"targets of train: from 0 to {12 * (inspection.MOST_TARGETS + 1) - 1}",
    )


@pytest.mark.parametrize(
    ("values", "shown"), [([0.2, 0.9], (0, 1)), ([-0.1, 0.9], (-0.1, 0.9)), ([0.2, 1.5], (0.2, 1.5))]
)
def test_pictures_of_samples_between_0_and_1_have_that_range_and_others_their_own(values, shown):
    assert inspection._range([np.array(values)]) == pytest.approx(shown)


def test_features_that_never_change_are_counted():
    x = split(12).x
    x[:, 2:4] = 0.5
    assert inspection.check(with_train(x), CURVES).constant_features == 2


def test_values_that_are_not_finite_are_counted_and_warned_of():
    x = split(12).x
    x[3, 1], x[4, 2] = np.nan, np.inf
    found = inspection.check(with_train(x), CURVES)
    assert found.splits["train"].not_finite == 2
    assert found.warnings()[0] == "train: 2 values are NaN or infinite"


def test_an_unbalanced_training_split_is_warned_of():
    found = inspection.check(with_train(split(12).x, np.array([0] * 10 + [1] * 2)), CURVES)
    assert found.warnings() == [
        "train: the smallest class has 0.2 times the samples of the largest: look at balanced_accuracy"
    ]


def test_a_class_that_is_not_trained_is_warned_of():
    found = inspection.check(with_train(split(12).x, np.zeros(12)), CURVES)
    assert found.warnings() == ["train: no samples of down"]


@pytest.mark.parametrize(("low", "high"), [(-300, 500), (-300, 1), (-1, 500)])
def test_values_far_from_1_are_warned_of(low, high):
    x = np.linspace(low, high, 72).reshape(12, 6)
    found = inspection.check(with_train(x), CURVES)
    assert found.warnings() == [f"train: values from {low} to {high}; networks learn best from values near 1"]


def test_an_empty_split_has_no_range():
    facts = inspection.check(with_train(split(12).x), CURVES).splits["test"]
    assert (facts.samples, facts.smallest, facts.largest) == (0, None, None)


def drawn(dataset: Splits, description: Description, path: Path) -> np.ndarray:
    inspection.sheet(dataset, description, path)
    return matplotlib.image.imread(path)


def test_the_sheet_shows_the_grey_values_of_the_images(tmp_path):
    x = np.repeat(np.linspace(0.2, 0.8, 12), 24).reshape(12, 4, 6, 1)  # black stays 0, and white 1
    picture = drawn(with_train(x), IMAGES, tmp_path / "sheet.png")
    assert picture.shape[1] > 1000
    greys = np.unique(np.round(picture[..., 0] * 255))
    assert set(np.round(x[:, 0, 0, 0] * 255)) <= set(greys)


def test_the_sheet_shows_colours_as_colours(tmp_path):
    x = np.zeros((12, 4, 6, 3))
    x[..., 0] = 1
    description = Description((4, 6, 3), CLASSES, samples=12, test_samples=None)
    picture = drawn(with_train(x), description, tmp_path / "sheet.png")
    assert (picture[..., :3] == (1, 0, 0)).all(axis=-1).mean() > 0.3


@pytest.mark.parametrize("shape", [(1,), (6,), (300,), (3, 5), (4, 6, 2), (2, 2, 2, 1)])
@pytest.mark.slow
def test_samples_that_are_no_images_are_drawn_as_curves(tmp_path, shape):
    description = Description(shape, CLASSES, samples=12, test_samples=None)
    picture = drawn(dataset(shape), description, tmp_path / "sheet.png")
    colours = (255 * picture).astype(np.uint8) @ 256 ** np.arange(picture.shape[-1])  # sorting rows takes seconds
    assert len(np.unique(colours)) > 10


@pytest.mark.parametrize("ending", ["pdf", "svg"])
def test_the_ending_names_the_format(tmp_path, ending):
    inspection.sheet(dataset(), CURVES, tmp_path / f"sheet.{ending}")
    start = (tmp_path / f"sheet.{ending}").read_bytes()[:5]
    assert start == {"pdf": b"%PDF-", "svg": b"<?xml"}[ending]


def test_another_ending_is_refused(tmp_path):
    path = tmp_path / "sheet.jpg"
    with pytest.raises(UserError) as error:
        inspection.sheet(dataset(), CURVES, path)
    assert str(error.value) == f"{path}: the extension selects the format; allowed png, pdf, svg"


def test_a_class_name_with_dollar_signs_is_shown_as_it_is(tmp_path):
    description = Description((6,), ("$\\frac{", "$5 to $9"), samples=12, test_samples=None)
    inspection.sheet(dataset(), description, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").is_file()


def test_classes_without_training_samples_have_an_empty_row(tmp_path):
    many = Description((6,), tuple(str(k) for k in range(40)), samples=12, test_samples=None)
    inspection.sheet(with_train(split(12).x, np.full(12, 39)), many, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").is_file()


def test_a_table_has_a_histogram_for_each_column_and_class():
    """The area of each line is 1 on the column's own axis."""
    random = np.random.default_rng(0)
    classes = {name: random.normal([5, 1000], [1, 50], size=(200, 2)) for name in ("electron", "photon")}
    figure = feature_histograms.figure(classes, ("mass", "energy"))
    assert [axes.get_xlabel() for axes in figure.axes] == ["mass", "energy"]
    for k, axes in enumerate(figure.axes):
        assert [patch.get_label() for patch in axes.patches] == ["electron", "photon"]
        for patch, samples in zip(axes.patches, classes.values(), strict=True):
            heights, edges, _ = patch.get_data()
            assert (heights * np.diff(edges)).sum() == pytest.approx(1)
            assert (heights * np.diff(edges) * 200).round() == pytest.approx(np.histogram(samples[:, k], edges)[0])
    assert [text.get_text() for text in figure.legends[0].texts] == ["electron", "photon"]


def test_an_axis_ends_where_most_values_do_if_a_few_lie_far_beyond():
    for furthest, end in ((1.2, 1.2), (1e6, 1.0)):
        figure = feature_histograms.figure({"all": np.append(np.linspace(0, 1, 2000), furthest)[:, None]}, ("x",))
        (patch,) = figure.axes[0].patches
        assert patch.get_data().edges[-1] == pytest.approx(end, abs=0.05)
        assert figure.legends == []


@pytest.mark.parametrize("values", [[1.0], [3.0, 3.0], [np.nan, 2.0, 5.0], [0.0] * 999 + [1e30]])
def test_a_column_of_any_values_has_a_histogram(values: list[float]):
    figure = feature_histograms.figure({"all": np.array(values)[:, None]}, ("x",))
    figure.draw_without_rendering()
    assert len(figure.axes[0].patches) == 1


@pytest.mark.parametrize(("names", "drawn_as"), [(2, "histograms"), (30, "histograms"), (31, "curves"), (0, "curves")])
def test_few_named_columns_are_histograms_and_many_are_a_curve(monkeypatch, tmp_path, names: int, drawn_as: str):
    found = []
    monkeypatch.setattr(inspection, "_histograms", lambda *_: found.append("histograms") or Figure())
    monkeypatch.setattr(inspection, "_samples", lambda *_: found.append("curves") or Figure())
    inspection.sheet(dataset(), CURVES, tmp_path / "sheet.svg", [f"column {i}" for i in range(names)])
    assert found == [drawn_as]
