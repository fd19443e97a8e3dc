"""Distorted images against NumPy and SciPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from mlphys.config.load import load
from mlphys.errors import UserError
from mlphys.native import affine
from mlphys.schema.augmentation import Augmentation
from mlphys.schema.document import dump
from mlphys.training.augmentation import Augmenter, transforms
from tests.helpers.digits import load_digits


class Extreme:
    """A generator that always draws an end of its range, or of -1 to 1 the numbers given."""

    def __init__(self, *draws: float):
        self.draws = list(draws)

    def uniform(self, low, high, size):
        if (low, high) == (-1, 1):
            values = self.draws.pop(0)
            return np.broadcast_to(np.reshape(values, (-1, 1)) if isinstance(size, tuple) else values, size)
        return np.full(size, high)


def digits(n: int = 5) -> np.ndarray:
    return (load_digits().images[:n, ..., None] / 16).astype(np.float32)


def moved(x: np.ndarray, spec: Augmentation, angle: float = 0, shift: tuple[float, float] = (0, 0)) -> np.ndarray:
    """Images, all of them moved by these shares of what `spec` allows, a shift to the right and down."""
    moves = transforms(spec, len(x), x.shape[1:3], Extreme(angle, shift))
    return Augmenter(spec, 0).distorted(x, moves)


EDGES = ["constant", "nearest", "reflect", "wrap"]


@pytest.mark.parametrize("edges", EDGES)
@pytest.mark.parametrize(("rotation", "sign", "turns"), [(90, 1, 1), (90, -1, -1), (180, 1, 2)])
def test_turns_by_right_angles_are_numpys_rot90(rotation, sign, turns, edges):
    x = np.random.default_rng(0).random((4, 9, 9, 2), dtype=np.float32)
    found = moved(x, Augmentation(rotation=rotation, edges=edges), angle=sign)
    np.testing.assert_allclose(found, np.rot90(x, turns, axes=(1, 2)), atol=1e-5)


@pytest.mark.parametrize("edges", EDGES)
@pytest.mark.parametrize(("right", "down"), [(3, 0), (0, 2), (-1, 3)])
def test_a_shift_by_whole_pixels_is_numpys_pad(right, down, edges):
    x = digits()
    found = moved(x, Augmentation(shift=3, edges=edges), shift=(right / 3, down / 3))
    mode = {"constant": "constant", "nearest": "edge", "reflect": "symmetric", "wrap": "wrap"}[edges]
    padded = np.pad(x, ((0, 0), (3, 3), (3, 3), (0, 0)), mode)
    np.testing.assert_allclose(found, padded[:, 3 - down : 11 - down, 3 - right : 11 - right], atol=1e-5)


@pytest.mark.parametrize("edges", EDGES)
def test_a_shift_by_part_of_a_pixel_is_bilinear_in_every_place(edges):
    x = digits()
    found = moved(x, Augmentation(shift=10.3, edges=edges), shift=(1, 1))
    mode = {"constant": "grid-constant", "nearest": "nearest", "reflect": "reflect", "wrap": "grid-wrap"}[edges]
    place = np.mgrid[:8, :8] - 10.3
    for image, known in zip(found, x, strict=True):
        np.testing.assert_allclose(image[..., 0], map_coordinates(known[..., 0], place, order=1, mode=mode), atol=1e-5)


def test_a_magnified_image_is_larger_around_the_same_centre():
    x = digits(1)
    found = moved(x, Augmentation(scale=(1, 3)))
    place = 3.5 + (np.mgrid[:8, :8] - 3.5) / 3
    np.testing.assert_allclose(found[0, ..., 0], map_coordinates(x[0, ..., 0], place, order=1), atol=1e-5)


@pytest.mark.parametrize("edges", EDGES)
def test_without_a_draw_an_image_stays_as_it_is(edges):
    x = digits()
    spec = Augmentation(rotation=30, shift=3, edges=edges)
    np.testing.assert_array_equal(moved(x, spec), x)


@pytest.mark.parametrize("simd_width", [4, 8, 16])
@pytest.mark.parametrize("edges", affine.EDGES)
@pytest.mark.parametrize("size", [(28, 28, 1), (7, 19, 3), (1, 9, 2), (33, 1, 1)])
def test_machine_code_moves_images_as_keras_does(size, edges, simd_width):
    """Far beyond the edges too. A reflection at 1e30 pixels is undefined in TensorFlow, and here."""
    from keras import ops

    x = np.random.default_rng(0).normal(size=(40, *size)).astype(np.float32)
    spec = Augmentation(rotation=180, scale=(0.3, 3), shift=70, edges=edges)
    moves = transforms(spec, len(x), size[:2], np.random.default_rng(1))
    far = (1e5, -1e5, 1e6) if edges == "reflect" else (1e30, -3e9, np.inf)
    moves[:3, 2], moves[3:6, 5] = far, far
    function = affine.affine_map(*size, edges, simd_width)
    found = np.empty_like(x)
    arrays = [array.ctypes.data for array in (x, moves, found)]
    function.compiled()(*arrays, 0, len(x))
    known = np.asarray(ops.image.affine_transform(x, moves, "bilinear", edges))
    np.testing.assert_array_equal(found, known)


@pytest.mark.parametrize("edges", EDGES)
def test_bending_moves_as_moving_alone_does(edges):
    x = digits()
    spec = {"rotation": 40, "shift": 3, "edges": edges}
    alone = moved(x, Augmentation(**spec), angle=0.7, shift=(0.3, -0.9))
    barely = Augmentation(**spec, elastic={"alpha": 1e-9})
    np.testing.assert_allclose(moved(x, barely, angle=0.7, shift=(0.3, -0.9)), alone, atol=1e-5)


def test_the_draws_are_uniform_within_what_is_allowed():
    spec = Augmentation(rotation=30, shift=2, scale=(0.5, 2.0))
    moves = transforms(spec, 20_000, (1, 1), np.random.default_rng(0)).astype(np.float64)
    magnification = 1 / np.hypot(moves[:, 0], moves[:, 3])
    angle = np.rad2deg(np.arctan2(moves[:, 3], moves[:, 0]))
    turn = moves[:, :6].reshape(-1, 2, 3)
    shift = np.linalg.solve(turn[..., :2], -turn[..., 2:])[..., 0]
    for values, low, high in ((magnification, 0.5, 2.0), (angle, -30, 30), (shift[:, 0], -2, 2), (shift[:, 1], -2, 2)):
        assert low - 1e-5 <= values.min() < values.max() <= high + 1e-5
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.02 * (high - low))
        assert values.std() == pytest.approx((high - low) / 12**0.5, rel=0.02)


@pytest.mark.parametrize("sigma", [1.5, 3.0])
def test_elastic_displacements_have_the_deviation_alpha(sigma):
    """A slope shows how far each of its pixels was moved."""
    alpha, size = 1.5, 64
    slope = np.broadcast_to(np.arange(size, dtype=np.float32)[:, None], (size, size))
    x = np.stack([slope, slope.T], axis=-1)[None].repeat(20, axis=0)
    spec = Augmentation(elastic={"alpha": alpha, "sigma": sigma})
    out = Augmenter(spec, 0)(x, 1)
    inner = slice(12, -12)  # not what comes from beyond an edge
    moved = (out - x)[:, inner, inner]
    assert moved.std(axis=(0, 1, 2)) == pytest.approx(alpha, rel=0.1)
    assert abs(moved.mean()) < 0.1 * alpha
    along, across = (np.corrcoef(moved[:, :-1, :, k].ravel(), moved[:, 1:, :, k].ravel())[0, 1] for k in (0, 1))
    assert along == pytest.approx(np.exp(-1 / (4 * sigma**2)), abs=0.06)  # of neighbours, for a Gaussian of sigma
    assert across == pytest.approx(along, abs=0.06)


def test_noise_has_its_deviation():
    x = np.full((200, 10, 10, 1), 0.5, np.float32)
    noise = Augmenter(Augmentation(noise=0.2), 0)(x, 1) - x
    assert noise.std() == pytest.approx(0.2, rel=0.02)
    assert noise.mean() == pytest.approx(0, abs=0.01)


def test_noise_alone_is_added_to_samples_of_any_shape():
    for shape in ((3,), (5, 2)):
        x = np.zeros((4, *shape), np.float32)
        noisy = Augmenter(Augmentation(noise=0.2), 0)(x, 1)
        assert noisy.shape == x.shape
        assert (noisy != 0).all()


ALL = Augmentation(rotation=15, scale=(0.9, 1.1), shift=1, elastic=None, noise=0.1)
BENT = Augmentation(elastic={"alpha": 0.5, "sigma": 2.0}, noise=0.1)


@pytest.mark.parametrize("spec", [ALL, BENT], ids=["moved", "bent"])
def test_seed_and_epoch_decide_the_images_and_nothing_else_does(spec):
    x = digits(30)
    augmenter = Augmenter(spec, 0)
    first, second = augmenter(x, 1), augmenter(x, 2)
    assert not np.array_equal(first, second)
    assert first.tobytes() == augmenter(x, 1).tobytes() == Augmenter(spec, 0)(x, 1).tobytes()
    assert not np.array_equal(first, Augmenter(spec, 1)(x, 1))
    assert not np.array_equal(first, augmenter(x, 1, 1))  # another block


def test_every_image_is_distorted_in_its_own_way():
    x = digits(1).repeat(20, axis=0)
    for spec in (ALL, BENT):
        assert len(np.unique(Augmenter(spec, 0)(x, 1).reshape(20, -1), axis=0)) == 20


def refusal(config: dict, augmentation: str) -> str | None:
    """What is said of a config with this augmentation, from the key on; None: it is right."""
    Path("f.yaml").write_text(dump(config))
    override = f"training.augmentation={augmentation}"
    try:
        load(Path("f.yaml"), [override])
    except UserError as error:
        return str(error).replace(f"--set {override}: training.augmentation", "")
    return None


CLASSIFIER = {"kind": "classifier", "layers": ["Flatten", {"Dense": {"units": 10, "activation": "softmax"}}]}
DIGITS = {"data": {"name": "digits"}, "model": CLASSIFIER}
CURVES = {
    "data": {"name": "function_1d", "function": "absolute", "samples": 50},
    "model": {"kind": "regressor", "layers": [{"Dense": {"units": 1}}]},
}
NOTHING = ": changes nothing; give rotation, scale, shift, elastic or noise, or leave it out"


@pytest.mark.parametrize(
    ("augmentation", "message"),
    [
        ("{}", NOTHING),
        ("{scale: [1, 1]}", NOTHING),
        ("{rotation: 200}", ".rotation: must be at most 180; received 200"),
        (
            "{scale: [2, 1]}",
            ".scale: expected a range such as [0.985, 0.993], the smaller number first; received [2, 1]",
        ),
        ("{scale: [0, 1]}", ".scale.0: must be greater than 0; received 0"),
        ("{elastic: {sigma: 3}}", ".elastic.alpha: missing; this key must be given"),
        (
            "{rotation: 5, edges: mirror}",
            ".edges: unknown value; received text 'mirror'; allowed constant, nearest, reflect, wrap",
        ),
    ],
)
def test_a_wrong_augmentation_is_refused(augmentation, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refusal(DIGITS, augmentation) == message


def test_what_is_no_image_and_what_has_targets_takes_noise_only(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refusal(CURVES, "{rotation: 5}") == (
        ": moves pixels, and a sample of 1 is no image; only noise fits\n"
        ": would move the images and not their targets; only noise fits"
    )
    assert refusal(CURVES, "{noise: 0.1}") is None
    assert refusal(DIGITS, "{rotation: 5}") is None


def test_fractions_of_votes_stay_what_they_are_when_a_galaxy_is_rotated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = {"name": "galaxies", "targets": "fractions", "samples": 40, "size": 8}
    config = {"data": data, "model": {"kind": "regressor", "layers": ["Flatten", {"Dense": {"units": 37}}]}}
    assert refusal(config, "{rotation: 180, edges: reflect}") is None
