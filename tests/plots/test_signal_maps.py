"""A signal through kernels of one row, at places that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlphys.errors import NotApplicable
from mlphys.figures import theme
from mlphys.plots.signal_maps import SignalMaps
from tests.plots.runs import written

SIGNAL = """
    data: {name: wave_on_parabola, train: 1, validation: 1, test: 1}
    model:
      kind: transform
      layers:
        - Reshape: [1, 201, 1]
        - FixedConv2D: {kernel: [[[1, -2, 1]], [[0, 1, 0]]]}
        - AveragePooling2D: {pool_size: [1, 2]}
"""
KERNELS = [np.array([[1, 0], [-2, 1], [1, 0]], np.float32).reshape(1, 3, 1, 2)]


def test_each_value_is_drawn_at_the_middle_of_what_it_sees(tmp_path: Path):
    with theme.applied():
        (picture,) = SignalMaps().draw(written(tmp_path, SIGNAL, KERNELS))
    table = {key: np.array(column) for key, column in picture.table.items()}
    names = list(dict.fromkeys(table["layer"]))
    of = {name: (table["layer"] == name) & (table["channel"] == (name != "input")) for name in names}
    signal, kept, pooled = (table["value"][of[name]] for name in names)
    places = [table["position"][of[name]] for name in names]
    assert places[1] == pytest.approx(np.arange(1, 200))
    assert kept == pytest.approx(signal[1:-1])
    assert places[2][:2] == pytest.approx([1.5, 3.5])
    assert pooled[0] == pytest.approx(signal[1:3].mean())
    bent = table["value"][(table["layer"] == names[1]) & (table["channel"] == 0)]
    assert bent == pytest.approx(np.diff(signal, 2), abs=1e-5)


def test_a_padded_kernel_with_strides_is_drawn_at_the_middle_of_what_it_sees(tmp_path: Path):
    """Of 200 values with strides of 2 the one zero that 3 weights need is behind the last of them."""
    text = SIGNAL.replace("wave_on_parabola,", "wave_on_parabola, points: 200,").replace("201", "200")
    text = text.replace("[[[1, -2, 1]], [[0, 1, 0]]]", "[[0, 1, 0]], strides: [1, 2], padding: same")
    with theme.applied():
        (picture,) = SignalMaps().draw(written(tmp_path, text, [np.array([0, 1, 0], np.float32).reshape(1, 3, 1, 1)]))
    table = {key: np.array(column) for key, column in picture.table.items()}
    signal, kept, pooled = (table["layer"] == name for name in dict.fromkeys(picture.table["layer"]))
    assert table["position"][kept] == pytest.approx(np.arange(1, 200, 2))
    assert table["value"][kept] == pytest.approx(table["value"][signal][1::2])
    assert table["position"][pooled][:2] == pytest.approx([2, 6])


def test_the_copies_of_an_enlarged_signal_are_drawn_around_it_and_nothing_is_drawn_behind_a_border(tmp_path: Path):
    enlarged = "UpSampling2D: [1, 2]\n        - ZeroPadding2D: [0, 3]"
    text = SIGNAL.replace("AveragePooling2D: {pool_size: [1, 2]}", enlarged)
    with theme.applied():
        (picture,) = SignalMaps().draw(written(tmp_path, text, KERNELS))
    layer, position, value = (np.array(picture.table[name]) for name in ("layer", "position", "value"))
    last = list(dict.fromkeys(layer))[-1]
    assert last.endswith("UpSampling2D")
    kept = (layer == last) & (np.array(picture.table["channel"]) == 1)
    assert position[kept][:4] == pytest.approx([0.75, 1.25, 1.75, 2.25])
    assert value[kept][:4] == pytest.approx(np.repeat(value[layer == "input"][1:3], 2))


def test_panels_tell_which_channels_they_have_and_the_caption_how_many_layers_are_left_out(tmp_path: Path):
    kernels = ", ".join(["[[1, -2, 1]]"] * 7)
    text = SIGNAL.replace("[[[1, -2, 1]], [[0, 1, 0]]]", f"[{kernels}]") + "        - AveragePooling2D: [1, 2]\n" * 3
    weights = np.tile(np.array([1, -2, 1], np.float32).reshape(1, 3, 1, 1), 7)
    with theme.applied():
        (picture,) = SignalMaps().draw(written(tmp_path, text, [weights]))
    titles = [axes.get_title(loc="left") for axes in picture.figure.axes]
    assert titles[0] == "input"
    assert titles[1:7] == [f"layers.1.FixedConv2D, channel {k} of 0 to 6" for k in range(6)]
    assert titles[7:] == [f"layers.{k}.AveragePooling2D, channels 0 to 5 of 0 to 6" for k in (2, 3)]
    assert "the last 2 of 5 layers are not drawn" in " ".join(picture.figure.get_supxlabel().split())
    assert max(picture.table["channel"]) == 5


def test_images_are_no_signals(tmp_path: Path):
    text = "    data: {name: digits}\n    model: {kind: transform, layers: [{MaxPooling2D: 2}]}\n"
    with pytest.raises(NotApplicable, match="no layer makes a signal of samples of 8 x 8 x 1"):
        SignalMaps().check(written(tmp_path, text).loaded)
