"""Weights in safetensors, a format that cannot run code: compared with what is expected before they are used."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mlphys.errors import UserError
from mlphys.io import checksum, memory
from mlphys.schema.fields import Shape

LARGEST_HEADER = 32_000_000  # bytes


def largest(path: Path, expected: Mapping[str, Shape]) -> int:
    """Bytes that a file of these arrays may have. Raises UserError for more than the free memory."""
    needed = 4 * sum(math.prod(shape) for shape in expected.values())
    memory.require(str(path), needed, "open it on a machine with more memory")
    return LARGEST_HEADER + needed


def read(path: Path, expected: Mapping[str, Shape], remedy: str) -> dict[str, np.ndarray]:
    """The arrays of a file of the user's. Raises UserError, as `arrays` does."""
    checksum.regular(path)
    most = largest(path, expected)
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > most:
        raise UserError(f"{path}: has more than the {most} bytes of the weights that the config says; {remedy}")
    return arrays(content, path, expected, "the config", remedy)


def arrays(
    content: bytes, path: Path, expected: Mapping[str, Shape], config: str, remedy: str
) -> dict[str, np.ndarray]:
    """The float32 arrays of the file at `path`. Raises UserError unless all shapes match and all are finite."""
    return checked(loaded(content, path, remedy), path, expected, config, remedy)


def loaded(content: bytes, path: Path, remedy: str) -> dict[str, np.ndarray]:
    """All arrays of the file at `path`, whatever they are. Raises UserError where it cannot be read."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(content)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {error}; {remedy}") from None


def checked(
    arrays: Mapping[str, np.ndarray], path: Path, expected: Mapping[str, Shape], config: str, remedy: str
) -> dict[str, np.ndarray]:
    """The arrays that are `expected`. Raises UserError unless these are all, float32, of their shapes and finite."""
    shapes = {name: value.shape for name, value in arrays.items() if value.dtype == np.float32}
    if shapes != expected or len(arrays) > len(shapes):
        differing = set(shapes.items()) ^ set(expected.items()) or {(name, ()) for name in arrays.keys() - shapes}
        name = min(differing, key=str)[0]
        raise UserError(
            f"{path}: does not fit {config}: {name} has shape {shapes.get(name, 'none')}, "
            f"the config says {expected.get(name, 'none')}; {remedy}"
        )
    if not all(np.isfinite(value).all() for value in arrays.values()):
        raise UserError(f"{path}: holds values that are not finite; {remedy}")
    return {name: arrays[name] for name in expected}
