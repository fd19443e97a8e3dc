from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from mlphys.config.load import load
from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.figures.picture import Picture
from mlphys.plots.image_fit import ImageFit
from mlphys.runs.run import Run
from tests.plots.runs import ASKED, written

WEIGHTS = [np.array([0.3, -0.2]), np.array(0.5)]
PIXELS = (8, 12)  # the photograph, 12 pixels wide


def drawn(run: Run) -> Picture:
    with theme.applied():
        (picture,) = ImageFit().draw(run)
    return picture


def panels(picture: Picture) -> list[np.ma.MaskedArray]:
    return [np.ma.masked_invalid(axes.images[0].get_array()) for axes in picture.figure.axes[:3]]


def photograph(path: Path) -> np.ndarray:
    """Its pixels before they were split."""
    (path / "whole.yaml").write_text(
        "name: whole\ndata: {name: image_function, size: 12, validation: 0, test: 0, train: 96}\n"
        "model: {kind: regressor, layers: [{Dense: {units: 1}}]}\n"
    )
    split = load(path / "whole.yaml").dataset().train
    image = np.zeros(PIXELS)
    places = (split.x + 1) / 2 * [PIXELS[1] - 1, PIXELS[0] - 1]
    column, row = places.round().astype(int).T
    image[row, column] = split.y[:, 0]
    return image


def test_the_pixels_of_all_splits_stand_where_they_stood_in_the_image(tmp_path: Path):
    image, _, _ = panels(drawn(written(tmp_path / "run", ASKED["image_fit"], WEIGHTS)))
    assert (image == photograph(tmp_path)).all()
    assert image[0].mean() > image[-1].mean() + 0.2  # the sky is above


def test_the_nets_image_is_its_function_of_the_place_and_the_difference_what_it_is_more(tmp_path: Path):
    image, net, difference = panels(drawn(written(tmp_path, ASKED["image_fit"], WEIGHTS)))
    x, y = np.meshgrid(np.linspace(-1, 1, PIXELS[1]), np.linspace(-1, 1, PIXELS[0]))
    assert net.data == pytest.approx(0.3 * x - 0.2 * y + 0.5, abs=1e-6)
    assert difference.data == pytest.approx((net - image).data)


def test_the_caption_has_the_error_of_all_pixels(tmp_path: Path):
    picture = drawn(written(tmp_path, ASKED["image_fit"], WEIGHTS))
    mse = float((panels(picture)[2].astype(float) ** 2).mean())
    assert picture.figure.get_supxlabel() == (
        f"12 x 8 pixels, 67 of them trained on; mse of all {mse:#.4g}, psnr {-10 * math.log10(mse):.1f} dB"
    )


def test_the_table_has_a_row_a_pixel(tmp_path: Path):
    picture = drawn(written(tmp_path, ASKED["image_fit"], WEIGHTS))
    table = {name: np.array(column) for name, column in picture.table.items()}
    assert list(table) == ["x1", "x2", "target", "output"]
    assert (table["target"].reshape(PIXELS) == panels(picture)[0]).all()
    assert table["output"] == pytest.approx(0.3 * table["x1"] - 0.2 * table["x2"] + 0.5, abs=1e-6)


def test_pixels_of_no_split_are_left_out_of_the_image_and_not_of_the_nets(tmp_path: Path):
    text = ASKED["image_fit"].replace("size: 12", "size: 12, train: 60, validation: 10, test: 10")
    picture = drawn(written(tmp_path, text, WEIGHTS))
    image, net, difference = panels(picture)
    assert [values.count() for values in (image, net, difference)] == [80, 96, 80]
    assert picture.table["target"].count("") == 16
    assert "60 of them trained on (16 are in no split); mse of all" in picture.figure.get_supxlabel()


def test_a_perfect_fit_can_be_drawn(tmp_path: Path):
    x, y = np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-1, 1, 4))
    np.savez(tmp_path / "flat.npz", x=np.stack([x.ravel(), y.ravel()], axis=1), y=np.full((20, 1), 0.5))
    run = written(tmp_path / "run", array(tmp_path / "flat.npz"), [np.zeros(2), np.array(0.5)])
    picture = drawn(run)
    assert "psnr" not in picture.figure.get_supxlabel()
    picture.figure.draw_without_rendering()


def test_samples_that_lie_on_no_grid_are_refused(tmp_path: Path):
    random = np.random.default_rng(0)
    np.savez(tmp_path / "scattered.npz", x=random.normal(size=(50, 2)), y=random.normal(size=(50, 1)))
    with pytest.raises(NotApplicable) as refused:
        drawn(written(tmp_path / "run", array(tmp_path / "scattered.npz")))
    assert str(refused.value) == "the samples fill 50 of 2,500 places of a grid: they are not an image"


def array(path: Path) -> str:
    return f"data: {{name: array, path: {path}}}\nmodel: {{kind: regressor, layers: [{{Dense: {{units: 1}}}}]}}\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ASKED["decision_boundary"], "only a model of kind: regressor fits an image"),
        (ASKED["fit_1d"], "a sample of 1 and a target of 1; an image needs two numbers for the place and one value"),
    ],
)
def test_what_is_no_function_of_a_place_is_refused(text: str, reason: str, tmp_path: Path):
    with pytest.raises(NotApplicable) as refused:
        drawn(written(tmp_path, text))
    assert str(refused.value) == reason
