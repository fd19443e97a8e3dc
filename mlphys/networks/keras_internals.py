"""Access to internals of Keras and TensorFlow, and attributes attached to their objects.

Each is the one way there is in the pinned minor versions; a newer Keras is tried by the tests of this file's users.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np


def logits(outputs: Any) -> Any:
    """What a softmax was applied to: Keras leaves it at the tensor, as its own losses know; else the outputs."""
    return getattr(outputs, "_keras_logits", outputs)


def learning_rate(optimizer: Any) -> Any:
    """The variable or schedule of an optimizer; what is public is the rate of the next step alone."""
    return optimizer._learning_rate


def last_rate(optimizer: Any) -> float:
    """The learning rate of the last step; what is public is that of the next."""
    rate = learning_rate(optimizer)
    return float(rate(max(0, int(optimizer.iterations) - 1)) if callable(rate) else rate)


def slots(optimizer: Any, names: tuple[str, ...], i: int) -> list[Any]:
    """The variables that an optimizer keeps beside its i-th weight, by the names of its attributes."""
    return [getattr(optimizer, name)[i] for name in names]


def scalars(optimizer: Any, names: Iterable[str]) -> dict[str, Any]:
    """The variables that an optimizer keeps once for all weights, by the names of its attributes."""
    return {name: getattr(optimizer, name) for name in names}


def attach(tensor: Any, name: str, value: Any) -> Any:
    """The tensor, which carries `value` to the next layer: what nothing uses is pruned from the graph."""
    setattr(tensor, f"_mlphys_{name}", value)
    return tensor


def attached(tensor: Any, name: str) -> Any:
    """What a tensor carries by this name; None where it carries nothing."""
    return getattr(tensor, f"_mlphys_{name}", None)


@contextlib.contextmanager
def watched(layers: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Context that records the outputs of Keras layers by name, in their first call.

    Keras has no hooks, and a second pass would draw other noise and count twice in BatchNormalization.
    """
    outputs_by_name: dict[str, Any] = {}
    try:
        for name, layer in layers.items():
            vars(layer)["call"] = _recording(layer.call, name, outputs_by_name)
        yield outputs_by_name
    finally:
        for layer in layers.values():
            vars(layer).pop("call", None)


def _recording(call: Callable[..., Any], name: str, outputs_by_name: dict[str, Any]) -> Callable[..., Any]:
    def recorded(*arguments: Any, **more: Any) -> Any:
        outputs = call(*arguments, **more)
        outputs_by_name.setdefault(name, outputs)
        return outputs

    return recorded


class Rates:
    """The learning rates of an optimizer's steps, called with (first, count).

    A rate without a schedule is read when `read` is called: reading a variable takes as long as a step of a small net.
    """

    def __init__(self, optimizer: Any, tf: Any):
        self._rate, self._scheduled = learning_rate(optimizer), None
        if callable(rate := self._rate):
            self._scheduled = tf.function(
                lambda steps: tf.map_fn(rate, steps, fn_output_signature=tf.float32), autograph=False
            )
        self._tf = tf
        self.read()

    def read(self) -> None:
        """Read the rate again after its variable was assigned."""
        self._constant = None if self._scheduled else self._rate.numpy()

    def __call__(self, first: int, count: int) -> np.ndarray:
        if self._scheduled is None:
            return np.full(count, self._constant)
        rates: np.ndarray = self._scheduled(self._tf.range(first, first + count, dtype=self._tf.int64)).numpy()
        return rates
