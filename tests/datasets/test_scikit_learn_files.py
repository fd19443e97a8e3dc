"""The data files of scikit-learn, read without it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_sample_image

from mlphys.datasets import _scikit_learn
from mlphys.datasets._scikit_learn import data_file
from mlphys.datasets.digits import Digits
from mlphys.datasets.photo_patches import photograph
from mlphys.errors import UserError


def test_digits_are_those_of_scikit_learn():
    samples, (x, y) = Digits(name="digits").load(), load_digits(return_X_y=True)
    assert (samples.x.reshape(-1, 64) == x.astype(np.float32) / 16).all()
    assert (samples.y == y).all()


@pytest.mark.parametrize("name", ["china.jpg", "flower.jpg"])
def test_photographs_are_those_of_scikit_learn(name):
    assert (photograph(name) == load_sample_image(name) / np.float32(255)).all()


@pytest.mark.parametrize("spec", [None, type("Spec", (), {"submodule_search_locations": ["/nowhere"]})])
def test_a_scikit_learn_without_the_file_is_refused(monkeypatch, spec):
    monkeypatch.setattr(_scikit_learn, "find_spec", lambda name: spec)
    with pytest.raises(UserError, match=r"^scikit-learn has no datasets/data/digits.csv.gz; install the scikit-learn"):
        data_file("data", "digits.csv.gz")
