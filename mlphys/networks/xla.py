"""Whether a step is traced for XLA, which some operations of TensorFlow are slow in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

_traced = False


def is_traced() -> bool:
    """Whether a layer that is called now becomes part of a step for XLA."""
    return _traced


@contextlib.contextmanager
def tracing(for_xla: bool) -> Iterator[None]:
    """What is traced in this context is compiled by XLA, or not."""
    global _traced
    before, _traced = _traced, for_xla
    try:
        yield
    finally:
        _traced = before
