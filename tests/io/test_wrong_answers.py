"""Answers of a process that a file has taken over: the command refuses all but shapes, numbers and text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlphys.io import confined, image_decoders

ALWAYS = {"most_pixels": 100, "greyscale": True, "size": None, "crop": None}


@pytest.mark.parametrize(
    "line",
    [
        b"", b"[]", b"1", b'{"arrays": []}', b'{"arrays": {"x": 1}}', b"[" * 100_000,
        b'{"arrays": {"x": [[1], "O", ""]}}',
        b'{"arrays": {"x": [[1], "(1e,2)f4", ""]}}', b'{"arrays": {"x": [[true], "<f8", ""]}}', b"\xff",
        b'{"arrays": {"x": [[-1], "<f8", ""]}}', b'{"arrays": {"x": [5, "<f8", ""]}}',
        b'{"arrays": {"x": [[1], "<V8", ""]}}',
    ],
)  # fmt: skip
def test_an_answer_that_no_reading_process_gives_is_recognized(line: bytes, tmp_path: Path):
    path = tmp_path / "x.h5"
    path.write_bytes(bytes(100))
    with pytest.raises(confined.WRONG_ANSWER):
        confined._checked(path, line)


def test_an_array_that_the_file_cannot_hold_is_refused_by_its_name(tmp_path: Path):
    path = tmp_path / "x.h5"
    path.write_bytes(bytes(100))
    [(_, why)] = confined._checked(path, b'{"arrays": {"x": [[1000000, 1000000], "<f8", ""]}}').values()
    assert why == "claims the shape (1000000, 1000000) of float64, which is more than the file can hold"


@pytest.mark.parametrize(
    ("wanted", "facts"),
    [
        ("header", {}), ("header", {"size": [2]}), ("header", {"size": [2, "3"], "frames": 1}),
        ("header", {"size": [20, 30], "frames": 1}), ("header", {"size": [2, -3], "frames": 1}),
        ("header", {"size": [2, 3], "frames": 0}), ("largest", {}), ("largest", {"largest": "9"}),
        ("largest", {"largest": 1.5}),
    ],
)  # fmt: skip
def test_what_no_decoding_process_says_of_an_image_is_recognized(wanted: str, facts: dict[str, Any]):
    with pytest.raises(confined.WRONG_ANSWER):
        image_decoders._checked(facts, {"wanted": wanted, **ALWAYS})


def test_a_longer_answer_than_any_is_refused_before_it_is_read():
    class Boastful(image_decoders.Decoder):
        def __init__(self) -> None:
            self.asked: list[int] = []

        def _received(self, length: int, until: float) -> bytes:
            self.asked.append(length)
            return (2**31).to_bytes(length, "little")

    decoder = Boastful()
    with pytest.raises(ValueError):  # noqa: PT011 - it has no text
        decoder._next({"wanted": "header"}, confined.Limits(10, 10))
    assert decoder.asked == [image_decoders.LENGTH]


@pytest.mark.parametrize(
    ("shape", "dtype", "changes"),
    [
        ([2, 3, 3], "|u1", {}), ([2, 3], "|u1", {"greyscale": False}), ([2, 3], "<f8", {}), ([20, 30], "|u1", {}),
        ([2, 3], "|u1", {"size": [3, 2]}), ([6], "|u1", {}), ([2, 0], "|u1", {}), ([2, 3.0], "|u1", {}),
    ],
)  # fmt: skip
def test_pixels_of_another_shape_than_was_wanted_are_recognized(shape: list, dtype: str, changes: dict[str, Any]):
    with pytest.raises(ValueError):  # noqa: PT011 - it has no text
        image_decoders._array_of({"shape": shape, "dtype": dtype}, {"wanted": "pixels", **ALWAYS, **changes})
    assert image_decoders._array_of({"shape": [2, 3], "dtype": "|u1"}, {"wanted": "pixels", **ALWAYS})[0] == (2, 3)
