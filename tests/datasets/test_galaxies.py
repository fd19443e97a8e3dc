from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.special import gamma, gammainc

from mlphys.datasets import _galaxy_light as light
from mlphys.datasets import _galaxy_morphology as morphology
from mlphys.datasets import _galaxy_votes as votes
from mlphys.datasets import _galaxy_zoo_tree as tree
from mlphys.datasets.galaxies import AT_ONCE, Galaxies
from mlphys.numerics.randomness import rng

KEYS = {"name": "galaxies", "samples": 80, "size": 16}


def column(*values):
    return np.array(values)[:, None, None]


def grid(size):
    pixel = np.arange(size) - (size - 1) / 2
    return pixel[None, None, :], pixel[None, :, None]


def objects(kind, n=2000, size=32):
    """Objects of one kind; all of it as the dataset draws it."""
    return morphology.drawn(np.full(n, kind), size, rng(0, "test"))


@pytest.mark.parametrize(("index", "within"), [(1.0, 2e-3), (2.0, 0.01), (4.0, 0.06)])
def test_a_sersic_profile_has_unit_flux_and_half_of_it_within_its_radius(index, within):
    x, y = grid(801)
    q, angle = column(0.6), column(0.7)
    squared = light.squared_radius(x, y, angle, q)
    profile = light.sersic(squared, column(20.0), column(index), q)
    assert profile.sum() == pytest.approx(1, abs=within)
    assert profile[squared < 20**2].sum() == pytest.approx(0.5, abs=within)


@pytest.mark.parametrize("index", [0.7, 1.0, 2.5, 6.0])
def test_b_of_a_sersic_profile_parts_its_light_in_halves(index):
    assert gammainc(2 * index, light.half_light(np.array(index))) == pytest.approx(0.5, abs=1e-4)
    assert light._log_gamma(np.array([2 * index])) == pytest.approx(np.log(gamma(2 * index)), rel=1e-5)


def test_the_arms_are_logarithmic_spirals_of_mean_one():
    """Along an arm ln r grows by tan(pitch) a radian."""
    arms, pitch = 2, np.deg2rad(20)
    turn = np.linspace(0, 3, 7)
    r = np.exp(np.tan(pitch) * turn)
    along, across = (r * np.cos(turn))[None, None], (r * np.sin(turn))[None, None]
    on_arm = light.spiral(along, across, column(arms), column(pitch), column(0.0))
    np.testing.assert_allclose(on_arm, on_arm.max(), rtol=0.01)
    around = 2 * np.pi * np.arange(400) / 400
    circle = light.spiral(
        np.cos(around)[None, None], np.sin(around)[None, None], column(arms), column(pitch), column(0.3)
    )
    assert circle.mean() == pytest.approx(1)
    peaks = (circle > np.roll(circle, 1)) & (circle > np.roll(circle, -1))
    assert peaks.sum() == arms


def test_seeing_keeps_the_light_and_has_its_full_width_at_half_maximum():
    images = np.zeros((1, 65, 65, 1), np.float32)
    images[0, 32, 32] = 1
    spread = light.blurred(images, 8.0)[0, :, :, 0]
    assert spread.sum() == pytest.approx(1)
    assert spread[32, 36] == pytest.approx(spread[32, 32] / 2, rel=1e-3)
    assert light.blurred(images, 0) is images


def test_the_noise_is_that_of_the_sky_and_of_the_photons():
    dark = light.exposed(np.zeros((1, 200, 200, 1), np.float32), 1.0, 5.0, rng(0, "dark"))
    bright = light.exposed(np.full((1, 200, 200, 1), 20, np.float32), 1.0, 5.0, rng(0, "bright"))
    assert dark.std() == pytest.approx(1, abs=0.02)
    assert bright.std() == pytest.approx(np.sqrt(1 + 20 / 5), abs=0.05)
    assert light.exposed(np.ones((1, 2, 2, 1)), 0.0, 5.0, rng(0, "none")).std() == 0


@pytest.mark.parametrize("kind", [morphology.SPIRAL, morphology.ELLIPTICAL, morphology.IRREGULAR])
def test_a_galaxy_has_its_flux_in_the_mean_of_its_bands(kind):
    """But for what a steep profile has far outside, and within a pixel."""
    some = objects(kind, 5, 60)
    total = morphology.pictured(some, 400, rng(0, "picture")).mean(axis=-1).sum(axis=(1, 2))
    np.testing.assert_allclose(total / some.flux, 1, atol=0.13)


def test_a_star_is_a_point_and_empty_sky_has_no_light():
    some = objects(morphology.NO_GALAXY, 40)
    images = morphology.pictured(some, 32, rng(0, "picture")).mean(axis=-1)
    fluxes = images.sum(axis=(1, 2))
    assert 8 < some.star.sum() < 32
    assert not fluxes[~some.star].any()
    np.testing.assert_allclose(fluxes[some.star] / some.flux[some.star], 1, atol=0.13)
    assert (np.sort(images[some.star].reshape(-1, 32 * 32))[:, -9:].sum(axis=1) > 0.97 * fluxes[some.star]).all()


def test_discs_are_seen_from_all_directions_alike():
    face = np.cos(objects(morphology.SPIRAL).inclination)
    assert face.mean() == pytest.approx(0, abs=4 / np.sqrt(3 * 2000))
    assert face.var() == pytest.approx(1 / 3, rel=0.05)


def arms_and_bar(**fields):
    """Of six face-on spirals with two arms and a bar: angles in the middle of the image, doubled, as e^(2 i phi).

    The first is that of the bar, the others those of the arms where they begin, and at twice the radius.
    """
    some, ones = objects(morphology.SPIRAL, 6, 150), np.ones(6)
    face_on = {"arms": 2 * ones, "bar": 0.2 * ones, "contrast": ones, "axis_ratio": ones}
    face_on |= dict.fromkeys(("bulge", "angle", "x", "y"), 0 * ones)
    some = replace(some, **face_on | fields)
    images = morphology.pictured(some, 151, rng(0, "bars")).astype(np.float64)
    parts = np.linalg.inv(np.array([morphology.YELLOW, morphology.BLUE])[:, [0, 2]].T) @ images[..., [0, 2], None]
    yellow, blue = np.moveaxis(parts[..., 0], -1, 0)
    x, y = grid(151)
    r, twice = np.hypot(x, y), np.exp(2j * np.arctan2(y, x))
    inner = column(*(1.2 * some.radius / morphology.SCALE_LENGTHS))
    parts = yellow, blue * (abs(r - inner) < 1), blue * (abs(r - 2 * inner) < 1)
    angles = [(part * twice).sum(axis=(1, 2)) for part in parts]
    return some, [angle / abs(angle) for angle in angles]


def test_a_bar_ends_where_an_arm_begins():
    _, (bar, arm, _) = arms_and_bar()
    np.testing.assert_allclose(bar, arm, atol=0.1)


def test_arms_that_are_seen_from_behind_wind_the_other_way():
    for inclination, sense in ((0.0, 1), (np.pi, -1)):
        some, (bar, arm, outside) = arms_and_bar(inclination=np.full(6, inclination), pitch=np.full(6, np.deg2rad(30)))
        turn = np.exp(2j * sense * np.log(2) / np.tan(some.pitch))
        np.testing.assert_allclose(outside / arm, turn, atol=0.15)
        np.testing.assert_allclose(bar, arm, atol=0.1)


def test_neighbours_leave_the_middle_free_and_their_number_is_poissons():
    images = np.zeros((300, 40, 40, 3), np.float32)
    morphology.add_neighbours(images, 40, 1.0, rng(0, "neighbours"))
    bare = (images.sum(axis=(1, 2, 3)) == 0).mean()
    assert bare == pytest.approx(np.exp(-1), abs=4 * np.sqrt(np.exp(-1) * (1 - np.exp(-1)) / 300))
    assert images[:, 18:22, 18:22].sum() < 0.02 * images.sum()


def test_classes_are_equally_frequent_and_the_larger_dataset_begins_with_the_smaller_one():
    few, many = Galaxies(**KEYS).load(), Galaxies(**KEYS | {"samples": AT_ONCE + 80}).load()
    assert np.bincount(few.y).tolist() == 4 * [20]
    assert Galaxies(**KEYS).describe().classes == tree.CLASSES
    assert few.x.min() >= 0
    assert few.x.max() <= 1
    assert many.x[AT_ONCE:].std(axis=0).min() > 0
    assert not np.array_equal(many.x[:80], many.x[AT_ONCE:])
    assert not np.array_equal(Galaxies(**KEYS | {"sample_seed": 1}).load().x, few.x)


def test_fractions_are_of_the_same_images_as_classes():
    fractions = Galaxies(**KEYS | {"targets": "fractions"})
    assert np.array_equal(fractions.load().x, Galaxies(**KEYS).load().x)
    assert fractions.target_names() == tree.COLUMNS
    assert fractions.describe().target_shape == (37,)


def test_grey_images_have_one_channel():
    assert Galaxies(**KEYS | {"greyscale": True}).load().x.shape == (80, 16, 16, 1)


def test_the_answers_to_a_question_sum_to_the_share_of_those_who_reached_it():
    y = Galaxies(**KEYS | {"targets": "fractions", "volunteers": 40}).load().y
    np.testing.assert_allclose(y * 40, np.round(y * 40), atol=1e-4)
    share = {question: tree.answers(y, question) for question in tree.ANSWERS}
    total = {question: of_one.sum(axis=1) for question, of_one in share.items()}
    reached = {
        1: 1, 2: share[1][:, 1], 3: share[2][:, 1], 4: share[2][:, 1], 5: share[2][:, 1], 6: 1 - share[1][:, 2],
        7: share[1][:, 0], 8: share[6][:, 0], 9: share[2][:, 0], 10: share[4][:, 0], 11: share[4][:, 0],
    }  # fmt: skip
    for question, expected in reached.items():
        np.testing.assert_allclose(total[question], expected, atol=1e-5)


def test_votes_are_multinomial_with_the_probabilities_of_the_answers():
    some = objects(morphology.SPIRAL, 3000)
    expected = votes.probabilities(some, 1.5)[1]
    found = tree.answers(votes.fractions(some, 40, 1.5, rng(0, "votes")), 1)
    pulls = (found - expected) / np.sqrt(expected * (1 - expected) / 40)
    assert pulls.mean() == pytest.approx(0, abs=4 / np.sqrt(3000))
    assert pulls.std() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("kind", range(4))
def test_the_probabilities_of_the_answers_sum_to_one(kind):
    for question, of_answers in votes.probabilities(objects(kind, 200), 1.5).items():
        assert of_answers.shape == (200, tree.ANSWERS[question])
        assert (of_answers >= 0).all()
        np.testing.assert_allclose(of_answers.sum(axis=1), 1)


def test_volunteers_mostly_see_what_is_there():
    first = {kind: votes.probabilities(objects(kind), 1.5) for kind in range(4)}
    smooth, features, star = range(3)
    assert first[morphology.ELLIPTICAL][1][:, smooth].mean() > 0.8
    assert first[morphology.SPIRAL][1][:, features].mean() > 0.6
    assert first[morphology.NO_GALAXY][1][:, star].mean() > 0.85
    assert first[morphology.IRREGULAR][6][:, 0].mean() > 0.8
    spirals = objects(morphology.SPIRAL)
    barred = first[morphology.SPIRAL][3][:, 0]
    assert barred[spirals.bar > 0].mean() > 3 * barred[spirals.bar == 0].mean()


def test_the_lectures_rule_calls_an_undisturbed_spiral_elliptical():
    """Its 6.2 is "nothing odd", which is seen in most spirals too."""
    spirals = objects(morphology.SPIRAL)
    assert (tree.labels(votes.fractions(spirals, 40, 1.5, rng(0, "votes"))) == 2).mean() > 0.9


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("size", 4, "greater than or equal to 8"),
        ("seeing", -1, "greater than or equal to 0"),
        ("volunteers", 0, "greater than or equal to 1"),
        ("samples", 10**8, "lower samples or size"),
        ("targets", "votes", "'classes' or 'fractions'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(key, value, text):
    with pytest.raises(ValidationError, match=text):
        Galaxies(**KEYS | {key: value})
