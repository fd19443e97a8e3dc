import itertools
import math
import re

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.special import ellipk

from mlphys.config.load import load
from mlphys.datasets import _ising_lattice as lattice
from mlphys.datasets.ising import Ising
from mlphys.errors import UserError
from mlphys.numerics.randomness import rng

KEYS = {"name": "ising", "temperatures": [2.0, 3.0], "samples_per_temperature": 5, "size": 4}


def drawn(temperature, count, size, purpose="test"):
    return lattice.draw(temperature, count, size, rng(0, purpose))


def assert_within_errors(values, exact):
    """The mean of independent values is the exact one within four standard errors."""
    assert abs(values.mean() - exact) < 4 * values.std() / math.sqrt(len(values))


@pytest.fixture(scope="module")
def all_of_3x3():
    """Every configuration of nine spins."""
    return np.array(list(itertools.product([-1, 1], repeat=9)), np.int8).reshape(-1, 3, 3)


@pytest.mark.parametrize("temperature", [1.0, 2.27, 5.0])
def test_small_lattices_have_boltzmanns_distribution(all_of_3x3, temperature):
    weight = np.exp(-9 * lattice.energy(all_of_3x3) / temperature)
    weight /= weight.sum()
    spins = drawn(temperature, 20_000, 3)
    numbers = (spins.reshape(-1, 9) > 0) @ (1 << np.arange(9)[::-1])
    expected = weight * len(spins)
    found = np.bincount(numbers, minlength=512)
    often = expected > 5
    squares = ((found - expected)[often] ** 2 / expected[often]).sum()
    assert squares < often.sum() + 4 * math.sqrt(2 * often.sum())
    assert_within_errors(lattice.energy(spins), weight @ lattice.energy(all_of_3x3))
    assert_within_errors(abs(lattice.magnetization(spins)), weight @ abs(lattice.magnetization(all_of_3x3)))


def test_the_bonds_around_a_lattice_of_two_count_twice():
    every = np.array(list(itertools.product([-1, 1], repeat=4)), np.int8).reshape(-1, 2, 2)
    weight = np.exp(-4 * lattice.energy(every) / 3)
    assert set(lattice.energy(every)) == {-2.0, 0.0, 2.0}
    assert_within_errors(lattice.energy(drawn(3.0, 20_000, 2)), weight @ lattice.energy(every) / weight.sum())


@pytest.mark.parametrize("temperature", [1.6, 2.0])
def test_the_magnetization_is_onsagers(temperature):
    """(1 - sinh(2 / T)^-4)^(1/8) (Yang 1952), where the correlation length is far below L."""
    exact = (1 - math.sinh(2 / temperature) ** -4) ** (1 / 8)
    assert_within_errors(abs(lattice.magnetization(drawn(temperature, 60, 40))), exact)


@pytest.mark.parametrize("temperature", [1.6, 2.0, 2.8, 4.0])
def test_the_energy_is_onsagers(temperature):
    double = 2 / temperature
    k = 2 * math.sinh(double) / math.cosh(double) ** 2
    exact = -1 / math.tanh(double) * (1 + 2 / math.pi * (2 * math.tanh(double) ** 2 - 1) * ellipk(k**2))
    assert_within_errors(lattice.energy(drawn(temperature, 60, 40)), exact)


def log_partition_function(beta, size):
    """Of a torus of size x size spins (Kaufman 1949)."""
    angles = np.pi * np.arange(2 * size) / size
    gamma = np.arccosh(np.maximum(math.cosh(2 * beta) / math.tanh(2 * beta) - np.cos(angles), 1))
    gamma[0] = 2 * beta + math.log(math.tanh(beta))
    half = size / 2 * gamma
    products = [np.prod(2 * f(half[first::2])) for first in (1, 0) for f in (np.cosh, np.sinh)]
    return size**2 / 2 * math.log(2 * math.sinh(2 * beta)) + math.log(sum(products) / 2)


def exact_energy(temperature, size):
    h = 1e-5
    ends = (log_partition_function(1 / temperature + sign * h, size) for sign in (-1, 1))
    below, above = ends
    return (below - above) / (2 * h) / size**2


def test_kaufmans_partition_function_is_the_sum_over_all_states(all_of_3x3):
    total = np.exp(-0.4 * 9 * lattice.energy(all_of_3x3)).sum()
    assert log_partition_function(0.4, 3) == pytest.approx(math.log(total), abs=1e-9)


@pytest.mark.parametrize(("size", "count"), [(8, 2000), (16, 600), (30, 200)])
def test_at_the_transition_where_memory_is_longest_the_energy_is_that_of_the_finite_lattice(size, count):
    spins = drawn(lattice.CRITICAL, count, size)
    assert_within_errors(lattice.energy(spins), exact_energy(lattice.CRITICAL, size))


def test_ordered_lattices_are_up_as_often_as_down():
    up = lattice.magnetization(drawn(1.5, 400, 8)) > 0
    assert abs(up.mean() - 0.5) < 4 * 0.5 / math.sqrt(400)


def test_lattices_that_take_their_steps_apart_are_as_those_together(monkeypatch):
    monkeypatch.setattr(lattice, "SITES_AT_ONCE", 100 * 8**2)
    assert_within_errors(lattice.energy(drawn(lattice.CRITICAL, 500, 8)), exact_energy(lattice.CRITICAL, 8))


def test_the_correlation_length_is_known_far_from_the_transition_and_infinite_at_it():
    assert lattice.correlation_length(4.0) == pytest.approx(1 / (-math.log(math.tanh(0.25)) - 0.5))
    assert lattice.correlation_length(lattice.CRITICAL) > 1e6
    assert lattice.correlation_length(1e-3) < 1e-3
    assert lattice.steps(lattice.CRITICAL, 63) == 42
    assert lattice.steps(1e6, 63) < 10


def test_the_phase_is_ordered_below_the_transition_and_spins_are_one_or_minus_one():
    dataset = Ising(**KEYS | {"temperatures": [1.0, 2.269, 2.2692, 4.0]})
    samples = dataset.load()
    assert dataset.describe().classes == ("ordered", "disordered")
    assert samples.y.tolist() == 10 * [0] + 10 * [1]
    assert samples.x.shape == (20, 4, 4, 1)
    assert set(np.unique(samples.x)) == {-1.0, 1.0}


def test_the_temperature_can_be_the_target():
    dataset = Ising(**KEYS | {"temperatures": [3.0, 4.5], "target": "temperature"})
    assert dataset.load().y.tolist() == 5 * [[3.0]] + 5 * [[4.5]]
    assert dataset.describe().target_shape == (1,)
    assert dataset.target_names() == ("temperature",)


def test_temperatures_are_named_one_by_one_or_evenly_spaced():
    spaced = Ising(**KEYS | {"temperatures": {"from": 1.8, "to": 2.8, "count": 6}})
    assert spaced.temperatures == (1.8, 2.0, 2.2, 2.4, 2.6, 2.8)
    assert Ising(**KEYS | {"temperatures": list(spaced.temperatures)}) == spaced


EXPECTED = (
    "data.temperatures: expected temperatures above 0 such as [1.8, 2.3, 3.0], or evenly spaced "
    "{from: 1.6, to: 2.9, count: 14}; received "
)
REFUSED = [
    ("temperatures", "[]", f"{EXPECTED}[]"),
    ("temperatures", "2.0", f"{EXPECTED}2.0"),
    ("temperatures", "[1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 0]", f"{EXPECTED}0"),
    ("temperatures", "[-1, 3]", f"{EXPECTED}-1"),
    ("temperatures", "[cold, 3]", f"{EXPECTED}text 'cold'"),
    ("temperatures", "[true, 3]", f"{EXPECTED}true"),
    ("temperatures", "{from: 3, to: 2, count: 5}", f"{EXPECTED}{{from: 3, to: 2, count: 5}}"),
    ("temperatures", "{from: 2, to: 3, count: 1}", f"{EXPECTED}{{from: 2, to: 3, count: 1}}"),
    ("temperatures", "{from: 2, to: 3}", f"{EXPECTED}a block of keys"),
    (
        "temperatures",
        "[3, 4]",
        "all temperatures are above 2.269185, so there is one phase only; add some of the other",
    ),
    ("size", "1", "data.size: must be at least 2; received 1"),
    ("size", "0", "data.size: must be at least 2; received 0"),
    (
        "size",
        "10000",
        "10 lattices of 10000 x 10000 are 1000000000 spins, more than 250000000; "
        "lower size, samples_per_temperature or the number of temperatures",
    ),
]


@pytest.mark.parametrize(("key", "value", "text"), REFUSED)
def test_what_cannot_be_drawn_is_refused_with_the_remedy(key, value, text, tmp_path):
    keys = {"temperatures": "[2.0, 3.0]", "samples_per_temperature": 5, "size": 4} | {key: value}
    path = tmp_path / "spins.yaml"
    path.write_text(
        f"data: {{name: ising, {', '.join(f'{name}: {one}' for name, one in keys.items())}}}\n"
        "model: {kind: classifier, layers: [Flatten, {Dense: {units: 2, activation: softmax}}]}\n"
    )
    with pytest.raises(UserError, match=re.escape(text)):
        load(path)


def test_one_phase_will_do_for_the_temperature_as_target():
    assert Ising(**KEYS | {"temperatures": [3, 4], "target": "temperature"}).describe().samples == 10
    with pytest.raises(ValidationError, match="all temperatures are below"):
        Ising(**KEYS | {"temperatures": [1, 2]})
