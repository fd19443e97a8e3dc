from __future__ import annotations

from typing import Any

import numpy as np

from mlphys.figures import image_grid

SAMPLES = np.linspace(0, 1, 12).reshape(3, 2, 2, 1)


def page(images: np.ndarray, **more: Any) -> Any:
    return image_grid.page(images, SAMPLES, [f"row {i}" for i in range(len(images))], "title", "caption", **more)


def test_all_images_have_the_scale_of_the_samples_and_what_goes_far_beyond_is_reported():
    figure = page(3 * np.tile(SAMPLES, (2, 1, 1, 1, 1)))
    assert {axes.images[0].get_clim() for axes in figure.axes} == {(0.0, 1.0)}
    assert figure.get_supxlabel() == "caption; what is below 0 or above 1 is drawn as these"
    assert page(1.1 * SAMPLES[None]).get_supxlabel() == "caption"
    nearly = image_grid.page(3 * SAMPLES[None], SAMPLES - 3e-8, ["row"], "title", "caption")
    assert nearly.get_supxlabel() == "caption; what is below 0 or above 1 is drawn as these"


def test_each_image_may_have_a_title_of_its_own_and_rows_may_have_fewer_of_them():
    figure = page(np.tile(SAMPLES, (2, 1, 1, 1, 1)), each=[["a", "b"], ["c"]])
    assert [axes.get_title() for axes in figure.axes] == ["a", "b", "", "c", "", ""]


def test_samples_beyond_0_and_1_widen_the_scale():
    assert image_grid.span(4 * SAMPLES - 2) == (-2.0, 2.0)
    assert image_grid.span(SAMPLES[:0]) == (0.0, 1.0)


def test_colours_are_cut_to_the_scale():
    images = np.stack([SAMPLES, 2 * SAMPLES]).repeat(3, axis=-1)
    drawn = [np.asarray(axes.images[0].get_array()) for axes in page(images).axes]
    assert (drawn[5] == np.clip(images[1, 2], 0, 1)).all()


def test_groups_of_rows_stand_apart():
    figure = page(np.tile(SAMPLES, (4, 1, 1, 1, 1)), grouped=2, above=["a", "b", "c"])
    figure.draw_without_rendering()
    tops = [axes.get_position().y1 for axes in figure.axes[::3]]
    inside, between, again = -np.diff(tops)
    assert between > 1.1 * inside
    assert round(inside, 3) == round(again, 3)
    assert [axes.get_title() for axes in figure.axes[:4]] == ["a", "b", "c", ""]


def test_the_table_has_a_line_for_each_number_with_what_belongs_to_its_row_and_column():
    images = np.arange(2 * 3 * 4.0).reshape(2, 3, 2, 2, 1)
    table = image_grid.table(images, {"number": [7, 8]}, {"share": [0, 1, 2], "code": np.arange(6).reshape(2, 3)})
    assert list(table) == ["number", "share", "code", "row", "column", "channel", "value"]
    assert table["value"] == list(range(24))
    last = [column[-1] for column in table.values()]
    assert last == [8, 2, 5, 1, 1, 0, 23]
