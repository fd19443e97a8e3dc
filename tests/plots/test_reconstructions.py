from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlphys.errors import NotApplicable
from mlphys.plots.reconstructions import Reconstructions
from tests.plots.runs import MadeRun, encoded, predictions

METRICS = {"mse": 0.0123, "mse_stderr": 0.0004, "mean_image_mse": 0.06747, "pca_mse": 0.01683}


def drawn(shape: tuple[int, ...] = (4, 5, 1), samples: int = 12, **metrics: Any) -> Any:
    images = np.random.default_rng(0).uniform(size=(samples, *shape))
    return picture_of(images, images**2, **metrics)


def picture_of(images: np.ndarray, outputs: np.ndarray, **metrics: Any) -> Any:
    held = encoded(images, outputs, np.zeros((len(images), 2, 16)))
    data = {"shape": list(images.shape[1:]), "classes": []}
    run = MadeRun(of_split={"test": held}, metrics={"test": METRICS | metrics}, data=data)
    (picture,) = Reconstructions().draw(run)
    return picture


def tiles(picture: Any) -> list[np.ndarray]:
    """Ten inputs, ten outputs, ten differences."""
    return [np.asarray(axes.images[0].get_array()) for axes in picture.figure.axes if axes.images]


def test_the_rows_are_input_output_and_what_one_is_more_than_the_other():
    shown = tiles(drawn())
    assert len(shown) == 30
    assert all((shown[20 + i] == shown[10 + i] - shown[i]).all() for i in range(10))


def test_the_differences_have_one_scale_symmetric_around_zero():
    picture = drawn()
    differences = [axes.images[0] for axes in picture.figure.axes if axes.images][20:]
    ((low, high),) = {image.get_clim() for image in differences}
    assert low == -high
    assert high == max(abs(image.get_array()).max() for image in differences)


def test_the_table_holds_every_number_in_its_place():
    picture = drawn((2, 3, 3), 4)
    table = {name: np.array(column) for name, column in picture.table.items()}
    assert list(table) == ["sample", "row", "column", "channel", "input", "output"]
    images = np.random.default_rng(0).uniform(size=(4, 2, 3, 3))
    place = table["sample"], table["row"], table["column"], table["channel"]
    assert (images[place] == table["input"]).all()
    assert (images[place] ** 2 == table["output"]).all()
    assert len(table["input"]) == images.size


def test_the_title_has_the_error_and_the_caption_what_pca_and_the_mean_image_reach():
    figure = drawn().figure
    assert figure.get_suptitle() == "made/1: reconstructions, mse 0.01230 ± 0.00040"
    caption = "mean over 12 test samples, here the first 10; mse of PCA with 32 components 0.01683, of the mean image"
    assert figure.get_supxlabel().replace("\n", " ") == f"{caption} 0.06747"


def test_a_code_as_large_as_the_samples_is_not_compared_with_pca():
    caption = drawn(pca_mse=None).figure.get_supxlabel().replace("\n", " ")
    assert caption == "mean over 12 test samples, here the first 10; mse of the mean image 0.06747"


def test_below_each_sample_stands_its_own_error():
    ones = np.ones((2, 4, 4, 1))
    labels = [axes.get_xlabel() for axes in picture_of(ones, 0 * ones).figure.axes]
    assert [label for label in labels if label] == ["1.0", "1.0"]


def test_of_colour_images_the_difference_is_the_mean_of_the_channels():
    picture = drawn((4, 4, 3), 3)
    shown = tiles(picture)
    assert shown[0].shape == (4, 4, 3)
    assert shown[6] == pytest.approx((shown[3] - shown[0]).mean(axis=-1))
    assert picture.figure.axes[-1].get_ylabel() == "mean of\nchannels"


@pytest.mark.parametrize("shape", [(50,), (50, 2)])
def test_sequences_are_drawn_as_curves_over_each_other(shape: tuple[int, ...]):
    picture = drawn(shape)
    panels = picture.figure.axes
    assert len(panels) == 10
    channels = int(np.prod(shape[1:]))
    first, *_, last = [line.get_ydata() for line in panels[0].lines]
    assert len(panels[0].lines) == 2 * channels
    assert list(picture.table) == ["sample", *("feature", "channel")[: len(shape)], "input", "output"]
    assert first[0] == picture.table["input"][0]
    assert last[0] == picture.table["output"][channels - 1]


@pytest.mark.parametrize("shape", [(50,), (50, 2)])
def test_of_denoised_sequences_the_noisy_input_the_clean_sample_and_the_output_are_drawn(shape: tuple[int, ...]):
    random = np.random.default_rng(0)
    clean, noisy, output = random.normal(size=(3, 4, *shape))
    arrays = encoded(clean, clean, np.zeros((4, 3))) | {"corrupted": noisy, "denoised": output}
    more = dict.fromkeys(("corrupted_mse", "corrupted_mse_stderr", "corruption_mse"), 0.1)
    data = {"shape": list(shape), "classes": []}
    run = MadeRun(of_split={"test": arrays}, metrics={"test": METRICS | more}, data=data)
    (picture,) = Reconstructions().draw(run)
    channels = int(np.prod(shape[1:]))
    drawn = np.stack([line.get_ydata() for line in picture.figure.axes[0].lines[::channels]])
    assert (drawn == np.stack([values[0].reshape(50, -1)[:, 0] for values in (noisy, clean, output)])).all()
    (legend,) = picture.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["corrupted", "clean", "output"]
    assert list(picture.table)[-3:] == ["corrupted", "clean", "output"]


def test_a_perfect_reconstruction_can_be_drawn():
    ones = np.ones((1, 4, 4, 1))
    picture_of(ones, ones).figure.draw_without_rendering()
    picture_of(ones[..., 0, 0], ones[..., 0, 0]).figure.draw_without_rendering()


def test_what_is_neither_image_nor_sequence_cannot_be_drawn():
    reason = "^a sample of 4 x 4 x 2 is neither an image of 1 or 3 channels nor a sequence of at most 6$"
    with pytest.raises(NotApplicable, match=reason):
        drawn((4, 4, 2))


def test_a_classifier_is_told_what_reconstructs():
    run = MadeRun(of_split={"test": predictions([1], [1], [0.9])})
    reason = "^kind: classifier reconstructs nothing; train a model of kind: autoencoder for this picture$"
    with pytest.raises(NotApplicable, match=reason):
        list(Reconstructions().draw(run))


def test_a_run_without_predictions_is_told_how_to_get_them():
    with pytest.raises(NotApplicable, match=r"^no predictions there; `mlphys evaluate runs/made/1` makes them$"):
        list(Reconstructions().draw(MadeRun()))
