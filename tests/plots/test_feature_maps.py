from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlphys.errors import NotApplicable
from mlphys.figures.layer_maps import Block, page
from mlphys.figures.picture import Picture
from mlphys.plots.feature_maps import FeatureMaps
from mlphys.schema.layers import Conv1D, Conv2D, Dense, Dropout, Flatten, Layer
from tests.plots.runs import CLASSES, Layers, MadeRun, network, predictions, real

CROSS = 1 - 2 * np.array([[1, 1, 1, 1, 1], [1, 0, 1, 0, 1], [1, 1, 0, 1, 1], [1, 0, 1, 0, 1], [1, 1, 1, 1, 1]])
WORKED = {
    "name": "worked",
    "data": {
        "name": "crosses_and_noughts", "size": 5, "arm": 1, "shift": 0, "flips": 0,
        "samples": 10, "train": 4, "validation": 4, "test": 2, "split_seed": 1,
    },
    "model": {
        "kind": "transform",
        "layers": [
            {"FixedConv2D": {"kernel": [[1, -1, -1], [-1, 1, -1], [-1, -1, 1]]}},
            "ReLU",
            {"MaxPooling2D": {"pool_size": 2, "strides": 1}},
        ],
    },
}  # fmt: skip


def maps(picture: Picture, layer: str) -> np.ndarray:
    """What the table holds of a layer, (channels, rows, columns)."""
    table = {name: np.array(column) for name, column in picture.table.items()}
    of_layer = table["layer"] == layer
    places = [table[name][of_layer] for name in ("channel", "row", "column")]
    made = np.full([place.max() + 1 for place in places], np.nan)
    made[tuple(places)] = table["value"][of_layer]
    return made


def drawn(layers: list[Layer], shape: tuple[int, ...], **more: Any) -> Picture:
    net = network(layers, shape)
    made = predictions([3, 1], [8, 1], [0.9, 0.8], shape)
    made |= {"shown": np.array([0, 1]), "images": np.stack([np.zeros(shape), np.ones(shape)])}
    data = {"shape": list(shape), "classes": CLASSES}
    run = MadeRun(rows=net.rows, of_split={"test": made}, data=data, trained=Layers(net.rows), **more)
    (picture,) = FeatureMaps().draw(run)
    return picture


def texts(picture: Picture) -> list[str]:
    return [text.get_text() for text in picture.figure.axes[0].texts]


def test_the_cross_of_the_lecture_gives_the_numbers_of_the_lecture(tmp_path: Path):
    (picture,) = FeatureMaps().draw(real(WORKED, tmp_path))
    assert (maps(picture, "input") == CROSS).all()
    convolved = [[7, -3, 3], [-3, 5, -3], [3, -3, 7]]
    assert maps(picture, "layers.0.FixedConv2D").tolist() == [convolved]
    assert maps(picture, "layers.1.ReLU").tolist() == [np.maximum(convolved, 0).tolist()]
    assert maps(picture, "layers.2.MaxPooling2D").tolist() == [[[7, 5], [5, 7]]]
    written = texts(picture)
    assert written[-4:] == ["7", "5", "5", "7"]
    assert [name for name in written if name.isalnum() and not name.isdigit()] == [
        "input", "FixedConv2D", "ReLU", "MaxPooling2D",
    ]  # fmt: skip
    assert written.count("−3") == 4


@pytest.mark.parametrize(
    ("steps", "classes"), [(["subtract_mean"], 1), ([{"whiten": {"kind": "pca", "components": 3}}], 3)]
)
def test_behind_preprocessing_the_input_is_the_datas_sample_and_then_what_the_net_sees(
    steps: list[Any], classes: int, tmp_path: Path
):
    layers = ["Flatten", {"Dense": {"units": 2, "activation": "softmax"}}]
    model = {"kind": "classifier", "layers": layers if classes == 1 else layers[1:]}
    data = {**WORKED["data"], "flips": 0.1, "samples": 60, "train": 40, "preprocess": steps}  # type: ignore[dict-item]
    run = real({"name": "made", "data": data, "model": model, "training": {"epochs": 1}}, tmp_path)
    (picture,) = FeatureMaps().draw(run)
    index = int(picture.figure.get_supxlabel().split("sample ")[1].split(",")[0])
    sample = run.dataset().validation.x[index]
    assert maps(picture, "input") == pytest.approx(sample.transpose(2, 0, 1), abs=1e-6)
    seen = run.preprocessing.apply(sample[None])[0]
    assert maps(picture, "preprocessed").ravel() == pytest.approx(seen.ravel(), abs=1e-5)


def test_the_first_sample_that_is_classified_right_is_shown():
    picture = drawn([Flatten(), Dense(units=10)], (4, 4, 1))
    assert (maps(picture, "input") == 1).all()
    assert picture.figure.get_supxlabel().startswith("test sample 1, class 1, taken for 1 with p = 0.8; ")


def test_layers_that_change_no_number_are_left_out_and_this_is_said():
    picture = drawn([Conv2D(filters=2, kernel_size=(3, 3)), Flatten(), Dropout(rate=0.5), Dense(units=10)], (9, 9, 1))
    assert list(dict.fromkeys(picture.table["layer"])) == ["input", "layers.0.Conv2D", "layers.3.Dense"]
    caption = picture.figure.get_supxlabel().replace("\n", " ")
    assert caption.endswith("; without Flatten and Dropout, where the numbers stay as they are")


def test_of_many_channels_the_first_sixteen_are_drawn_and_this_is_said():
    picture = drawn([Conv2D(filters=20, kernel_size=(3, 3)), Flatten(), Dense(units=10)], (12, 12, 1))
    assert len(maps(picture, "layers.0.Conv2D")) == 16
    assert len(picture.figure.axes[0].images) == 17
    assert "; of more channels the first 16; " in picture.figure.get_supxlabel().replace("\n", " ")


@pytest.mark.parametrize("classes", [("elliptical", "spiral"), ("signal", "background"), tuple("abcdefghij")])
def test_every_class_has_its_name_below_its_bar(classes: tuple[str, ...]):
    net = network([Flatten(), Dense(units=len(classes))], (40, 40, 1))
    made = predictions([1], [1], [0.9], (40, 40, 1))
    made |= {"shown": np.array([0]), "images": np.ones((1, 40, 40, 1)), "probabilities": np.eye(len(classes))[[1]]}
    data = {"shape": [40, 40, 1], "classes": list(classes)}
    run = MadeRun(rows=net.rows, of_split={"test": made}, data=data, trained=Layers(net.rows))
    (picture,) = FeatureMaps().draw(run)
    assert [text for text in texts(picture) if text in classes] == list(classes)


def test_long_names_of_many_classes_are_turned():
    block = Block("layers.0", "Dense", (), np.linspace(0, 1, 30), classes=tuple(f"particle {i:03}" for i in range(30)))
    figure = page([block, Block("input", "input", (), np.ones((40, 40, 1)))], "title", "caption")
    names = [text for text in figure.axes[0].texts if text.get_text().startswith("particle")]
    assert (len(names), {text.get_rotation() for text in names}) == (30, {90.0})


def test_named_features_stand_below_the_bars_of_the_input():
    net = network([Dense(units=30)], (12,))
    made = predictions([1], [1], [0.9], (12,)) | {"shown": np.array([0]), "images": np.ones((1, 12))}
    names = tuple(f"f{i}" for i in range(12))
    run = MadeRun(rows=net.rows, of_split={"test": made}, trained=Layers(net.rows))
    run.config.data.feature_names = lambda: names
    (picture,) = FeatureMaps().draw(run)
    assert set(names) <= set(texts(picture))
    assert "bars from 0, each layer on its own scale" in picture.figure.get_supxlabel().replace("\n", " ")


def test_the_classes_have_their_names_below_the_bars():
    written = texts(drawn([Flatten(), Dense(units=10)], (12, 12, 1)))
    assert written[-10:] == CLASSES


def test_each_layer_has_its_name_and_shape():
    written = texts(drawn([Conv2D(filters=2, kernel_size=(3, 3)), Flatten(), Dense(units=10)], (12, 12, 1)))
    assert written[:9] == [
        "input", "12 x 12 x 1", "1 to 1", "Conv2D", "layer 0, 10 x 10 x 2", "1 to 1", "Dense", "layer 2, 10", "1 to 1",
    ]  # fmt: skip


@pytest.mark.parametrize("shape", [(12, 12, 3), (200,), (30, 2)])
def test_colour_images_long_vectors_and_sequences_can_be_drawn(shape: tuple[int, ...]):
    first = [Conv1D(filters=4, kernel_size=3), Flatten()] if len(shape) == 2 else [Flatten()]
    picture = drawn([*first, Dense(units=10)] if len(shape) > 1 else [Dense(units=10)], shape)
    assert maps(picture, "input").size == np.prod(shape)
    picture.figure.draw_without_rendering()


def test_very_many_layers_stand_in_two_columns():
    layers = [Conv2D(filters=2, kernel_size=(3, 3), padding="same")] * 14
    picture = drawn(layers, (12, 12, 1))
    heads = [text.get_position()[0] for text in picture.figure.axes[0].texts if text.get_text() == "Conv2D"]
    assert len(set(heads)) == 2
    assert picture.figure.get_figheight() < picture.figure.get_figwidth()


def test_the_output_of_an_autoencoder_of_flat_samples_is_drawn_as_the_image_that_it_is(tmp_path: Path):
    model = {"kind": "autoencoder", "encoder": [{"Dense": {"units": 3}}], "decoder": [{"Dense": {"units": 64}}]}
    data = {"name": "digits", "train": 100, "validation": 20, "test": 0}
    (picture,) = FeatureMaps().draw(
        real({"name": "a", "data": data, "model": model, "training": {"epochs": 1}}, tmp_path)
    )
    assert maps(picture, "decoder.0.Dense").shape == (1, 8, 8)


def test_a_model_without_layers_is_refused():
    with pytest.raises(NotApplicable, match=r"^kind: classifier has no layers$"):
        list(FeatureMaps().draw(MadeRun()))


def test_a_run_without_predictions_is_told_how_to_get_them():
    run = network([Dense(units=3)], (5,), path=Path("runs/made/1"))
    with pytest.raises(NotApplicable, match=r"^no predictions there; `mlphys evaluate runs/made/1` makes them$"):
        list(FeatureMaps().draw(run))
