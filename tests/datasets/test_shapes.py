import numpy as np
import pytest
from pydantic import ValidationError

from mlphys.datasets.shapes import Shapes
from mlphys.numerics import pca

SEVERAL_CIRCLES = {"kinds": ["circle"], "count": 5, "size": 50, "radius": [0.0, 0.5], "centre": [-1.0, 1.0]}
AREAS = {"square": 4 * 0.4**2, "diamond": 4 * 0.4**2, "circle": np.pi * 0.4**2}

# on a grid of 7 x 7 with centres a third apart, radius .6: a square of 3, a diamond of half diagonal .85
SQUARE = """
.......
.......
..###..
..###..
..###..
.......
.......
"""
DIAMOND = """
.......
...#...
..###..
.#####.
..###..
...#...
.......
"""
CIRCLE = """
.......
.......
..###..
..###..
..###..
.......
.......
"""


def generate(samples, **keys):
    return Shapes(name="shapes", samples=samples, **keys).load()


@pytest.mark.parametrize(("kind", "drawing"), [("square", SQUARE), ("diamond", DIAMOND), ("circle", CIRCLE)])
def test_a_kind_covers_its_pixels(kind, drawing):
    x = generate(1, size=7, kinds=[kind], radius=[0.6, 0.6], centre=[0.0, 0.0]).x
    assert ["".join(".#"[int(pixel)] for pixel in row) for row in x[0, :, :, 0]] == drawing.split()


@pytest.mark.parametrize(("kind", "area"), AREAS.items())
def test_a_kind_covers_its_area(kind, area):
    x = generate(2000, size=50, kinds=[kind], radius=[0.4, 0.4]).x
    assert x.mean() * (50 * 2 / 49) ** 2 == pytest.approx(area, rel=0.01)


@pytest.mark.slow
def test_nine_principal_components_of_squares_and_diamonds_leave_what_is_known():
    x = generate(20_000).x.reshape(20_000, -1)
    assert pca.error(x, x, 9) == pytest.approx(0.0407, rel=0.03)


def test_the_label_is_the_kind():
    spec = Shapes(name="shapes", samples=200, radius=[0.4, 0.4], centre=[-0.3, 0.3])
    samples = spec.load()
    assert spec.describe().classes == ("square", "diamond")
    # the rows of a square are equally long, those of a diamond are not
    rows = samples.x[..., 0].sum(axis=2)
    lengths = np.array([len(set(row[row > 0])) for row in rows])
    assert (lengths[samples.y == 0] == 1).all()
    assert (lengths[samples.y == 1] > 1).all()


def test_several_objects_add_up():
    one, five = (generate(2000, size=27, kinds=["square"], radius=[0.3, 0.3], count=count).x.mean() for count in (1, 5))
    assert five == pytest.approx(5 * one, rel=0.02)
    assert generate(200, count=5).x.max() > 1


def test_copying_the_circles_leaves_what_is_known_of_the_squares():
    samples = generate(4000, **SEVERAL_CIRCLES, target="squares")
    assert ((samples.x - samples.y) ** 2).mean() == pytest.approx(0.0688, rel=0.03)


def test_the_target_of_squares_is_squares_at_the_same_places_with_the_same_radii():
    samples = generate(20, kinds=["square"], count=3, target="squares")
    assert np.array_equal(samples.x, samples.y)
    circles = generate(20, kinds=["circle"], count=3, target="squares")
    assert (circles.x <= circles.y).all()
    assert (circles.x < circles.y).any()


def test_the_target_changes_no_input():
    assert np.array_equal(generate(20, target="kind").x, generate(20, target="squares").x)


def test_a_kind_named_twice_is_refused():
    with pytest.raises(ValidationError, match="a kind is named twice; each is drawn equally often"):
        generate(10, kinds=["circle", "circle"])


@pytest.mark.parametrize("keys", [{"kinds": []}, {"kinds": ["star"]}, {"count": 0}, {"centre": [1.0, -1.0]}])
def test_keys_that_draw_nothing_are_refused(keys):
    with pytest.raises(ValidationError):
        generate(10, **keys)
