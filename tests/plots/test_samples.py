from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.errors import NotApplicable
from mlphys.models.rbm import RBM
from mlphys.plots import samples
from mlphys.plots.samples import Samples
from mlphys.schema.samples import Split
from tests.plots.runs import ASKED, MadeRun, config, written


class Counting:
    """A network whose chains show which sample they began at and how often they were looked at."""

    def sampled(self, x: np.ndarray, lines: int, every: int) -> np.ndarray:
        return x[:, None] + np.arange(1, lines + 1).reshape(1, lines, 1, 1, 1) / 100


def counting(shape: tuple[int, ...] = (2, 3, 1), count: int = 20) -> MadeRun:
    settings = config(None)
    settings.model = RBM.model_validate(RBM.example())
    x = np.broadcast_to(np.arange(count).reshape(-1, *[1] * len(shape)) / 100, (count, *shape))
    splits = {"validation": {"samples": count}}
    data = {"shape": list(shape), "classes": [], "splits": splits}
    return MadeRun(config=settings, data=data, train=Split(x, np.zeros(count)), trained=Counting())


def test_a_column_is_a_chain_below_the_sample_that_it_starts_at():
    (picture,) = Samples().draw(counting())
    grid = np.array([axes.images[0].get_array().mean() for axes in picture.figure.axes]).reshape(9, 12)
    np.testing.assert_allclose(grid, (np.arange(9)[:, None] + np.arange(12)) / 100)
    labels = [axes.get_ylabel() for axes in picture.figure.axes[::12]]
    assert labels == ["start", "100", "200", "300", "400", "500", "600", "700", "800"]
    assert picture.figure.get_supxlabel().startswith("each column is a chain that starts at a validation sample")


def test_the_table_has_every_drawn_number():
    (picture,) = Samples().draw(counting())
    table = {name: np.array(column) for name, column in picture.table.items()}
    assert list(table) == ["sample", "steps", "row", "column", "channel", "value"]
    assert len(table["value"]) == 12 * 8 * 6
    np.testing.assert_allclose(table["value"], (table["sample"] + table["steps"] / 100) / 100)


def test_chains_of_a_machine_that_prefers_nothing_forget_where_they_began(tmp_path: Path, monkeypatch):
    """Without weights every value is 0 or 1 with probability 1/2, whatever came before."""
    monkeypatch.setattr(samples, "LINES", 2)  # each is traced
    zeros = [np.zeros((64, 3)), np.zeros(64), np.zeros(3)]
    run = written(tmp_path, ASKED["samples"], zeros)
    assert set(next(Samples().draw(run)).table["value"]) == {0.5}


def test_drawing_twice_gives_the_same_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(samples, "LINES", 2)  # each is traced
    random = np.random.default_rng(0)
    weights = [random.normal(size=shape) for shape in ((64, 3), (64,), (3,))]
    run = written(tmp_path, ASKED["samples"], weights)
    first, again = (next(Samples().draw(run)).table["value"] for _ in range(2))
    assert first == again
    assert len(set(first)) > 64


def test_another_kind_is_told_what_draws_samples():
    reason = "^kind: classifier draws no samples; train a model of kind: rbm for this picture$"
    with pytest.raises(NotApplicable, match=reason):
        next(Samples().draw(MadeRun()))


def test_samples_that_are_no_images_are_refused():
    with pytest.raises(NotApplicable, match=r"^a sample of 7 is no image of 1 or 3 channels$"):
        next(Samples().draw(counting((7,))))
