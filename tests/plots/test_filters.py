from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mlphys.errors import NotApplicable
from mlphys.figures.picture import Picture
from mlphys.models.rbm import RBM
from mlphys.plots.filters import Filters
from mlphys.schema.layers import (
    AveragePooling2D,
    BatchNormalization,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Layer,
)
from tests.plots.runs import CLASSES, MadeRun, network

CONV = Conv2D(filters=2, kernel_size=(3, 3))


def drawn(layers: list[Layer], shape: tuple[int, ...] = (8, 8, 1), **more: Any) -> dict[str, Picture]:
    return {picture.name: picture for picture in Filters().draw(network(layers, shape, **more))}


def tiles(picture: Picture) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for image in picture.figure.axes[0].images]


def test_a_picture_for_each_layer_that_has_images():
    layers = [CONV, AveragePooling2D(pool_size=(2, 2)), CONV, Flatten(), Dense(units=10)]
    assert list(drawn(layers, (28, 28, 1))) == ["filters", "filters_2", "filters_4"]
    assert list(drawn([Flatten(), Dense(units=3), Dense(units=2)])) == ["filters"]


def test_the_table_and_the_tiles_hold_every_weight_in_its_place():
    run = network([CONV, CONV], (8, 8, 1))
    kernel = run.weights["layers.1.Conv2D.kernel"]
    _, picture = Filters().draw(run)
    table = {name: np.array(column) for name, column in picture.table.items()}
    assert list(table) == ["layer", "filter", "channel", "row", "column", "weight"]
    assert set(table["layer"]) == {1}
    assert (kernel[table["row"], table["column"], table["channel"], table["filter"]] == table["weight"]).all()
    assert len(table["weight"]) == kernel.size
    expected = [kernel[:, :, channel, filter_] for filter_ in range(2) for channel in range(2)]
    assert all((a == b).all() for a, b in zip(tiles(picture), expected, strict=True))


def test_the_colours_are_symmetric_around_zero():
    for picture in drawn([CONV, CONV]).values():
        limits = {image.get_clim() for image in picture.figure.axes[0].images}
        ((low, high),) = limits
        assert low == -high
        assert high == max(abs(weight) for weight in picture.table["weight"])


def test_a_few_weights_far_out_do_not_leave_the_others_pale():
    run = network([Flatten(), Dense(units=30)], (28, 28, 1))
    kernel = np.random.default_rng(0).normal(size=(784, 30)).astype(np.float32)
    kernel[400, 3] = 50
    (picture,) = Filters().draw(MadeRun(rows=run.rows, weights={"layers.1.Dense.kernel": kernel}))
    axes, bar = picture.figure.axes
    assert axes.images[0].get_clim()[1] == pytest.approx(np.quantile(abs(kernel), 0.995))
    assert bar.get_ylabel() == "weight (0.5 % lie beyond the scale)"


def test_dense_weights_lie_as_the_pixels_that_they_multiply():
    layers = [CONV, Flatten(), Dropout(rate=0.5), BatchNormalization(), Dense(units=3)]
    run = network(layers, (8, 8, 1))
    _, picture = Filters().draw(run)
    kernel = run.weights["layers.4.Dense.kernel"].reshape(6, 6, 2, 3)
    assert (tiles(picture)[1] == kernel[:, :, 1, 0]).all()


def test_a_transposed_convolution_has_its_filters_where_keras_has_them():
    run = network([CONV, Conv2DTranspose(filters=3, kernel_size=(2, 2))], (8, 8, 1))
    kernel = run.weights["layers.1.Conv2DTranspose.kernel"]
    assert kernel.shape == (2, 2, 3, 2)
    _, picture = Filters().draw(run)
    assert (tiles(picture)[-1] == kernel[:, :, 2, 1]).all()


def test_a_convolution_over_time_is_drawn_as_strips():
    run = network([Conv1D(filters=4, kernel_size=5)], (50, 1))
    (picture,) = Filters().draw(run)
    assert [tile.shape for tile in tiles(picture)] == [(1, 5)] * 4
    assert (tiles(picture)[2] == run.weights["layers.0.Conv1D.kernel"][:, 0, 2]).all()


def test_many_channels_of_one_output_go_down_the_page():
    layers = [Conv2D(filters=20, kernel_size=(3, 3)), Conv2D(filters=1, kernel_size=(3, 3))]
    picture = drawn(layers)["filters_1"]
    assert picture.figure.get_supxlabel().startswith("rows: 20 input channels; columns: 1 outputs; 3 x 3")


def test_very_many_kernels_are_drawn_on_several_sheets_and_the_first_csv_has_all():
    run = network([Conv2D(filters=25, kernel_size=(1, 2)), Conv2D(filters=22, kernel_size=(1, 2))], (2, 8, 3))
    pictures = {picture.name: picture for picture in Filters().draw(run)}
    sheets = {name: picture for name, picture in pictures.items() if name != "filters"}
    assert list(sheets) == ["filters_1", "filters_1b", "filters_1c", "filters_1d"]
    assert [len(tiles(picture)) for picture in sheets.values()] == [20 * 20, 20 * 5, 2 * 20, 2 * 5]
    captions = [picture.figure.get_supxlabel().replace("\n", " ") for picture in sheets.values()]
    assert captions[0].endswith("1 x 2 weights each; here outputs 0 to 19 and input channels 0 to 19")
    assert captions[3].endswith("1 x 2 weights each; here outputs 20 to 21 and input channels 20 to 24")
    kernel = run.weights["layers.1.Conv2D.kernel"]
    for name, count in (("filters_1", kernel.size), ("filters_1d", 2 * 5 * 2)):
        table = {column: np.array(values) for column, values in sheets[name].table.items()}
        assert len(table["weight"]) == count
        assert (kernel[table["row"], table["column"], table["channel"], table["filter"]] == table["weight"]).all()
    assert (tiles(sheets["filters_1d"])[-1] == kernel[:, :, 24, 21]).all()
    numbers = [text.get_text() for text in sheets["filters_1d"].figure.axes[0].texts]
    assert numbers == ["20", "21", "20", "21", "22", "23", "24"]


def test_the_units_of_a_dense_layer_go_on_on_a_second_sheet():
    pictures = drawn([Flatten(), Dense(units=401)], (2, 2, 1))
    assert [len(tiles(picture)) for picture in pictures.values()] == [400, 1]
    assert list(pictures) == ["filters", "filters_b"]
    assert pictures["filters_b"].table["filter"] == [400] * 4


def test_the_last_layer_has_the_classes_names():
    data = {"shape": [8, 8, 1], "classes": ["zero", *CLASSES[1:]]}
    picture = drawn([Flatten(), Dense(units=10)], data=data)["filters"]
    assert [text.get_text() for text in picture.figure.axes[0].texts] == ["zero", *CLASSES[1:]]


def test_weights_that_are_all_zero_can_be_drawn():
    run = network([CONV], (8, 8, 1))
    zeros = {name: np.zeros_like(weight) for name, weight in run.weights.items()}
    (picture,) = Filters().draw(MadeRun(rows=run.rows, weights=zeros))
    assert picture.figure.axes[0].images[0].get_clim() == (-1, 1)


@pytest.mark.parametrize("layers", [[Dense(units=3)], [GlobalAveragePooling2D(), Dense(units=3)]])
def test_a_net_without_images_among_its_weights_is_refused(layers: list[Layer]):
    shape = (5,) if isinstance(layers[0], Dense) else (8, 8, 2)
    reason = "^the network has no convolution, and no dense layer that sees an image$"
    with pytest.raises(NotApplicable, match=reason):
        drawn(layers, shape)


def machine(shape: tuple[int, ...]) -> SimpleNamespace:
    size = int(np.prod(shape))
    kernel = np.arange(size * 3, dtype=np.float32).reshape(size, 3) / 100 - 1
    loaded = SimpleNamespace(net_input=SimpleNamespace(shape=shape))
    settings = SimpleNamespace(model=RBM.model_validate(RBM.example()))
    return SimpleNamespace(name="made/1", config=settings, weights={"rbm.kernel": kernel}, loaded=loaded)


def test_the_weights_of_each_hidden_unit_of_a_boltzmann_machine_are_an_image():
    run = machine((4, 5, 1))
    (picture,) = Filters().draw(run)
    assert picture.name == "filters"
    assert picture.figure.get_suptitle() == "made/1: weights of the hidden units"
    expected = run.weights["rbm.kernel"].T.reshape(3, 4, 5)
    assert all((tile == image).all() for tile, image in zip(tiles(picture), expected, strict=True))


def test_a_boltzmann_machine_that_sees_no_image_is_refused():
    with pytest.raises(NotApplicable, match=r"^its visible units are 7, no image$"):
        list(Filters().draw(machine((7,))))


def test_a_model_without_layers_is_refused():
    with pytest.raises(NotApplicable, match=r"^kind: classifier has no layers$"):
        list(Filters().draw(MadeRun()))
