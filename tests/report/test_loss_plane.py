"""The plane of a loss surface, for known paths of the weights."""

from __future__ import annotations

import numpy as np
import pytest

from mlphys.report import loss_plane

# along two orthogonal directions of length 1, in weights of two arrays
FIRST, SECOND = np.array([0.6, 0, 0.8, 0, 0]), np.array([0, 1, 0, 0, 0])
PATH = np.array([[9.0, 1.0], [5, 2], [3, -1], [1, 1], [0, 0]])


def frames(path: np.ndarray) -> list[dict[str, np.ndarray]]:
    points = np.array([3.0, 1, 4, 1, 5]) + path @ np.array([FIRST, SECOND])
    return [{"kernel": point[:4].reshape(2, 2), "bias": point[4:]} for point in points]


def test_distances_in_the_plane_are_those_of_the_weights_and_the_end_is_at_zero():
    found = loss_plane.through(frames(PATH))
    between = np.linalg.norm(PATH[:, None] - PATH, axis=2)
    np.testing.assert_allclose(np.linalg.norm(found.places[:, None] - found.places, axis=2), between, atol=1e-9)
    np.testing.assert_allclose(found.places[-1], 0, atol=1e-12)
    assert (found.places[0] >= 0).all()


def test_all_of_the_variance_lies_in_the_plane_most_of_it_along_the_first_direction():
    shares = loss_plane.through(frames(PATH)).shares
    assert shares.sum() == pytest.approx(1)
    assert shares[0] > 0.8


def test_the_directions_are_sums_of_the_weights_and_orthogonal_of_length_one():
    points = np.array([np.concatenate([each["kernel"].ravel(), each["bias"]]) for each in frames(PATH)])
    directions = loss_plane.through(frames(PATH)).factors @ points
    np.testing.assert_allclose(directions @ directions.T, np.eye(2), atol=1e-9)
    np.testing.assert_allclose(directions[:, 4], 0, atol=1e-9)


@pytest.mark.parametrize(
    "path",
    [PATH[:0], PATH[:1], PATH[:2], PATH[:, :1] * [1, 2], np.zeros((5, 2))],
    ids=["none", "one point", "two points", "straight", "still"],
)
def test_weights_that_span_no_plane_have_none(path):
    assert loss_plane.through(frames(path)) is None
