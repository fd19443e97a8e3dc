"""Configurations of the two-dimensional Ising model (Onsager 1944; Carrasquilla & Melko 2017)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from mlphys.datasets import _ising_lattice as lattice
from mlphys.numerics.randomness import rng
from mlphys.schema.data import LARGEST_IMAGES, Dataset, Description, PhaseTransition
from mlphys.schema.fields import LARGEST, Count, Seed
from mlphys.schema.samples import Samples
from mlphys.schema.spec import refuse
from mlphys.schema.suggestions import quoted

MOST_TEMPERATURES = 10_000
DECIMALS = 6  # of evenly spaced temperatures, so that 0.1 is not 0.10000000000000009


def _temperatures(value: Any) -> tuple[float, ...]:
    """Temperatures one by one, or evenly spaced."""
    if isinstance(value, dict) and set(value) == {"from", "to", "count"}:
        lowest, highest, count = value["from"], value["to"], value["count"]
        ends = _is_temperature(lowest) and _is_temperature(highest) and lowest < highest
        if not (ends and type(count) is int and 2 <= count <= MOST_TEMPERATURES):
            raise refuse("temperatures", value, wrong=f"{{from: {lowest}, to: {highest}, count: {count}}}")
        value = np.linspace(lowest, highest, count).round(DECIMALS).tolist()
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= MOST_TEMPERATURES:
        raise refuse("temperatures", value, wrong=quoted(value))
    for temperature in value:
        if not _is_temperature(temperature):
            raise refuse("temperatures", value, wrong=quoted(temperature))
    return tuple(map(float, value))


def _is_temperature(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value <= LARGEST


Temperatures = Annotated[
    tuple[float, ...],
    PlainValidator(_temperatures),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": {"type": "number", "exclusiveMinimum": 0}, "minItems": 1},
                {
                    "type": "object",
                    "properties": {"from": {"type": "number"}, "to": {"type": "number"}, "count": {"type": "integer"}},
                    "required": ["from", "to", "count"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]


class Ising(Dataset):
    """Spins -1 and 1 of the 2-D Ising model at given temperatures, with the phase or the temperature as target.

    `size` x `size` sites of a square lattice with periodic boundaries; the energy is minus the sum of s s' over pairs
    of neighbours (J = 1), temperatures are in units of J / k_B. The samples are independent: each is the end of a
    Markov chain of its own, of Swendsen and Wang's clusters, which starts with all spins up and takes
    6 (1 + log2(1 + xi)) steps, xi the correlation length or `size`: at least seven autocorrelation times.
    The phase is ordered below 2 / ln(1 + sqrt 2) = 2.269185, the transition of the infinite lattice, and disordered
    above.
    """

    name: Literal["ising"]
    temperatures: Temperatures
    """The temperatures in units of J / k_B, as a list or evenly spaced. Example: {from: 1.6, to: 2.9, count: 14}"""
    samples_per_temperature: Count
    """How many configurations are drawn at each temperature. Example: 100"""
    size: Annotated[int, Field(ge=2, le=LARGEST)]
    """The number L of rows and of columns of the lattice. Example: 20"""
    target: Literal["phase", "temperature"] = "phase"
    """What the network is to predict of a configuration."""
    sample_seed: Seed = 0
    """The random seed of the configurations; the experiment's `seed` does not change them."""

    @model_validator(mode="after")
    def _fits_in_memory(self) -> Ising:
        spins = self._samples() * self.size**2
        if spins > LARGEST_IMAGES:
            raise ValueError(
                f"{self._samples()} lattices of {self.size} x {self.size} are {spins} spins, more than "
                f"{LARGEST_IMAGES}; lower size, samples_per_temperature or the number of temperatures"
            )
        return self

    @model_validator(mode="after")
    def _has_both_phases(self) -> Ising:
        if self.target == "phase" and len(set(self._phases().tolist())) < 2:
            where = "above" if self.temperatures[0] >= lattice.CRITICAL else "below"
            raise ValueError(
                f"all temperatures are {where} {lattice.CRITICAL:.6f}, so there is one phase only; "
                "add some of the other, or set target: temperature"
            )
        return self

    def describe(self) -> Description:
        shape, samples = (self.size, self.size, 1), self._samples()
        if self.target == "temperature":
            return Description(shape, classes=(), samples=samples, test_samples=None, target_shape=(1,))
        return Description(shape, classes=("ordered", "disordered"), samples=samples, test_samples=None)

    def load(self) -> Samples:
        generator = rng(self.sample_seed, "ising")
        x = np.empty((self._samples(), self.size, self.size, 1), np.float32)
        each = self.samples_per_temperature
        for k, temperature in enumerate(self.temperatures):
            x[k * each : (k + 1) * each] = self._drawn(temperature, each, generator)
        if self.target == "temperature":
            return Samples(x, np.repeat(np.array(self.temperatures, np.float32), each)[:, None])
        return Samples(x, np.repeat(self._phases(), each))

    def target_names(self) -> tuple[str, ...]:
        return ("temperature",) if self.target == "temperature" else ()

    def phase_transition(self) -> PhaseTransition:
        return PhaseTransition(
            temperatures=self.temperatures,
            critical=lattice.CRITICAL,
            length=self.size,
            ordered="ordered",
            order_parameter="magnetization",
            draw=self._drawn,
            order=lambda x: lattice.magnetization(x[..., 0]),
        )

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        return {"name": "ising", "temperatures": [1.5, 3.5], "samples_per_temperature": 15, "size": 4}

    def _drawn(self, temperature: float, count: int, generator: np.random.Generator) -> np.ndarray:
        return lattice.draw(temperature, count, self.size, generator).astype(np.float32)[..., None]

    def _samples(self) -> int:
        return len(self.temperatures) * self.samples_per_temperature

    def _phases(self) -> np.ndarray:
        """Of each temperature: 0 for ordered, 1 for disordered."""
        return (np.array(self.temperatures) >= lattice.CRITICAL).astype(np.int32)
