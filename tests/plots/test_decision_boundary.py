from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.picture import Picture
from mlphys.plots.decision_boundary import DecisionBoundary
from mlphys.runs.run import Run
from tests.plots.runs import ASKED, measured, written

KERNEL, BIAS = np.array([[1.0, -1.0], [3.0, -2.0]]), np.array([0.5, 0.0])
BLOBS = """
    data: {name: blobs, samples: 70, features: 2, centers: CENTERS}
    model: {kind: classifier, layers: [{Dense: {units: CENTERS, activation: softmax}}]}
"""


def linear(path: Path) -> Run:
    return written(path, ASKED["decision_boundary"], [KERNEL, BIAS])


def drawn(run: Run) -> Picture:
    (picture,) = DecisionBoundary().draw(run)
    return picture


def logits(x: np.ndarray) -> np.ndarray:
    return x @ KERNEL + BIAS


def columns(picture: Picture, part: str) -> dict[str, np.ndarray]:
    there = np.array(picture.table["part"]) == part
    return {name: np.array(column)[there] for name, column in picture.table.items()}


def lines(picture: Picture) -> list[np.ndarray]:
    """The points of every boundary."""
    sets = [drawn for drawn in picture.figure.axes[0].collections if hasattr(drawn, "levels")]
    return [path.vertices for drawn in sets for path in drawn.get_paths()]


def test_the_boundary_of_a_linear_classifier_is_the_line_of_equal_logits(tmp_path: Path):
    picture = drawn(linear(tmp_path))
    (line,) = lines(picture)
    first, second = logits(line).T
    assert len(line) > 100
    assert first == pytest.approx(second, abs=1e-4)
    axes = picture.figure.axes[0]
    frame = np.stack([axes.get_xlim(), axes.get_ylim()], axis=1)
    for end in (line[0], line[-1]):
        assert abs(end - frame).min() < 1e-6


def test_accuracy_is_by_weight_and_the_axes_are_the_features_of_a_table(tmp_path: Path):
    random = np.random.default_rng(0)
    rows = [
        (a, b, "AB"[int(a > 0)], w) for a, b, w in zip(*random.normal(size=(2, 60)), random.random(60), strict=True)
    ]
    table = tmp_path / "own.csv"
    table.write_text("mass,charge,label,w\n" + "".join(f"{a},{b},{label},{w}\n" for a, b, label, w in rows))
    run = measured(
        written(
            tmp_path / "run",
            f"""
            data: {{name: table, path: {table}, target: label, weights: w, train: 20, validation: 40, test: 0}}
            model: {{kind: classifier, layers: [{{Dense: {{units: 2, activation: softmax}}}}]}}
            """,
            [KERNEL, BIAS],
        )
    )
    picture = drawn(run)
    found = run.metrics["validation"]
    assert found["effective_samples"] < 35
    assert theme.measured(found["accuracy"], found["accuracy_stderr"]) in picture.figure.get_suptitle()
    assert (picture.figure.axes[0].get_xlabel(), picture.figure.axes[0].get_ylabel()) == ("mass", "charge")


def test_the_grid_in_the_table_covers_the_samples_and_has_the_softmax_of_the_logits(tmp_path: Path):
    run = linear(tmp_path)
    grid = columns(drawn(run), "grid")
    x = np.stack([grid["x1"], grid["x2"]], axis=1).astype(float)
    powers = np.exp(logits(x))
    assert grid["probability upper"].astype(float) == pytest.approx(powers[:, 0] / powers.sum(axis=1), abs=1e-6)
    assert set(grid["true"]) == {""}
    assert ((grid["predicted"] == "lower") == (logits(x)[:, 1] > logits(x)[:, 0])).all()
    assert len(x) == 51**2
    samples = run.dataset().validation.x
    assert (x.min(axis=0) < samples.min(axis=0)).all()
    assert (x.max(axis=0) > samples.max(axis=0)).all()


def test_the_samples_have_their_own_class_colour_and_mistakes_are_ringed(tmp_path: Path):
    run = written(tmp_path, ASKED["decision_boundary"].replace("60", "60, validation: 0"), [KERNEL, BIAS])
    train, picture = run.dataset().train, drawn(run)
    wrong = logits(train.x).argmax(axis=1) != train.y
    assert 0 < wrong.sum() < len(wrong)
    ring = picture.figure.axes[0].collections[-2]  # the last is the legend's
    assert np.asarray(ring.get_offsets()) == pytest.approx(train.x[wrong])
    assert (ring.get_edgecolors()[:, :3] == to_rgb(theme.INK)).all()
    assert (ring.get_facecolors()[:, :3] == [to_rgb(theme.LINES[label]) for label in train.y[wrong]]).all()
    names = [text.get_text() for text in picture.figure.axes[0].get_legend().get_texts()]
    assert names == ["upper", "lower", f"misclassified\n({wrong.sum()})"]
    samples = columns(picture, "sample")
    assert ((samples["true"] != samples["predicted"]) == wrong).all()


def test_a_region_has_the_colour_of_its_class_deeper_where_that_is_more_probable(tmp_path: Path):
    picture = drawn(linear(tmp_path))
    image = np.asarray(picture.figure.axes[0].images[0].get_array())
    x1, x2 = (np.linspace(*ends, 301) for ends in np.reshape(picture.figure.axes[0].images[0].get_extent(), (2, 2)))
    first, second = logits(np.array([x1[200], x2[280]]))
    upper = 1 / (1 + np.exp(second - first))
    assert upper > 0.6
    depth = 0.07 + 0.36 * (2 * upper - 1)
    assert image[280, 200] == pytest.approx(1 - depth * (1 - np.array(to_rgb(theme.LINES[0]))), abs=1e-4)


@pytest.mark.parametrize(
    ("sizes", "evaluated", "caption"),
    [
        ("validation: 0", False, "48 train samples"),
        ("validation: 6", False, "6 validation samples"),
        ("validation: 6", True, "12 test samples"),
    ],
)
def test_the_samples_are_of_test_once_it_was_evaluated(sizes: str, evaluated: bool, caption: str, tmp_path: Path):
    run = written(tmp_path, ASKED["decision_boundary"].replace("60", f"60, {sizes}"), [KERNEL, BIAS])
    if evaluated:
        (tmp_path / "predictions_test.npz").touch()
    assert drawn(run).figure.get_supxlabel().startswith(f"{caption}; a region's colour")


def test_the_title_has_the_accuracy_with_its_error(tmp_path: Path):
    run = linear(tmp_path)
    right = (logits(run.dataset().validation.x).argmax(axis=1) == run.dataset().validation.y).mean()
    title = drawn(run).figure.get_suptitle().replace("\n", " ")
    assert title.startswith(f"{run.name}: decision boundary, accuracy {right:.2f}")
    assert "±" in title


def test_three_classes_have_a_boundary_each(tmp_path: Path):
    kernel = np.array([[0.0, 1.0, -1.0], [1.0, -1.0, -1.0]])
    picture = drawn(written(tmp_path, BLOBS.replace("CENTERS", "3"), [kernel, np.zeros(3)]))
    for line in lines(picture):
        least, *largest = np.sort(line @ kernel, axis=1).T
        assert least.max() <= largest[0].max()
        # a line's corners lie between the grid's points
        assert np.median(abs(largest[1] - largest[0])) < 1e-3
    assert len(lines(picture)) == 3


def test_outputs_that_are_no_probabilities_have_their_boundary_where_they_are_equal(tmp_path: Path):
    text = (
        ASKED["decision_boundary"].replace(", activation: softmax", "") + "    training: {loss: mean_squared_error}\n"
    )
    (line,) = lines(drawn(written(tmp_path, text, [KERNEL, BIAS])))
    first, second = logits(line).T
    assert first == pytest.approx(second, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ASKED["fit_1d"], "only a model of kind: classifier distinguishes classes"),
        (
            BLOBS.replace("features: 2", "features: 3").replace("CENTERS", "2"),
            "a sample of 3 is not a point of the plane",
        ),
        (BLOBS.replace("CENTERS", "7"), "7 classes; the colours of 6 can be told apart"),
    ],
)
def test_what_has_no_boundary_in_the_plane_is_refused(text: str, reason: str, tmp_path: Path):
    with pytest.raises(NotApplicable) as refused:
        drawn(written(tmp_path, text))
    assert str(refused.value) == reason


def test_points_on_a_line_can_be_drawn(tmp_path: Path):
    table: Any = "x,y,kind\n" + "".join(f"{i},3,{'ab'[i % 2]}\n" for i in range(40))
    (tmp_path / "points.csv").write_text(table)
    text = f"""
    data: {{name: table, path: {tmp_path / "points.csv"}, features: [x, y], target: kind}}
    model: {{kind: classifier, layers: [{{Dense: {{units: 2, activation: softmax}}}}]}}
    """
    drawn(written(tmp_path / "run", text)).figure.draw_without_rendering()
