"""Shape inference through a chain of layers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlphys.errors import Refusal
from mlphys.schema.document import KeyPath
from mlphys.schema.fields import Shape
from mlphys.schema.layers import Layer, text

LARGEST_NETWORK = 250_000_000  # weights: 1 GB of float32


@dataclass(frozen=True)
class Row:
    """One layer of a model summary. `receptive_field`: input pixels per direction, None for all.

    A layer that is `tied_to` another, by name, uses that kernel instead of its own. A layer that is not
    `trainable` is frozen and runs in inference mode.
    """

    name: str
    layer: Layer
    input_shape: Shape
    output_shape: Shape
    receptive_field: tuple[int, ...] | None
    tied_to: str | None = None
    trainable: bool = True

    def weight_shapes(self) -> dict[str, Shape]:
        """Shapes of trainable and non-trainable weights by `<name>.<Keras's name>`."""
        trained, measured = self.layer.weight_shapes(self.input_shape), self.layer.statistic_shapes(self.input_shape)
        own = {weight: shape for weight, shape in trained.items() if weight != "kernel" or not self.tied_to}
        return {f"{self.name}.{weight}": shape for weight, shape in {**own, **measured}.items()}

    def trained(self) -> tuple[str, ...]:
        """The names of the trainable weights, in Keras's order."""
        own = [name for name in self.layer.weight_shapes(self.input_shape) if name != "kernel" or not self.tied_to]
        return tuple(f"{self.name}.{name}" for name in own) if self.trainable else ()

    def parameters(self) -> int:
        return sum(math.prod(shape) for shape in self.weight_shapes().values())


def compile_in_xla(rows: Iterable[Row]) -> bool:
    """Whether XLA is faster for all of these layers."""
    return all(row.layer.compiles_in_xla for row in rows)


def separable(rows: Iterable[Row]) -> bool:
    """Whether every layer treats the samples of a batch independently."""
    return all(row.layer.separable for row in rows)


def weight_shapes(rows: Sequence[Row]) -> dict[str, Shape]:
    """Shapes of the weights of a chain of layers, by name."""
    return {name: shape for row in rows for name, shape in row.weight_shapes().items()}


def trained(rows: Iterable[Row]) -> tuple[str, ...]:
    """The names of the trainable weights, layer by layer."""
    return tuple(name for row in rows for name in row.trained())


def trace(
    layers: Sequence[Layer], shape: Shape, path: KeyPath, before: Sequence[Row] = (), trainable: bool = True
) -> list[Row]:
    """Infer the shapes of the layers at `path` for samples of `shape`, after the rows `before`.

    Raises Refusal at the first layer with an unsuitable input, and for networks that are too large.
    """
    rows: list[Row] = []
    view = View(len(shape) - 1)
    for row in before:
        view.widen(row.layer, row.output_shape)
        shape = row.output_shape
    parameters = sum(row.parameters() for row in before)
    for i, layer in enumerate(layers):
        name = type(layer).__name__
        try:
            out = layer.output_shape(shape)
        except Refusal as refusal:
            raise refusal.under((*path, i, name)) from None
        view.widen(layer, out)
        place = ".".join(map(str, (*path[1:], i, name)))
        rows.append(Row(place, layer, shape, out, view.field(), trainable=trainable))
        _check_matrices(rows[-1], (*path, i, name))
        parameters += rows[-1].parameters()
        if parameters + math.prod(out) > LARGEST_NETWORK:
            raise Refusal(
                (*path, i, name),
                f"the network would have more than {LARGEST_NETWORK} weights and outputs; "
                "use fewer units or filters, or pool before this layer",
            )
        shape = out
    return rows


class View:
    """The receptive field of one output, in input pixels per direction, updated layer by layer."""

    def __init__(self, directions: int):
        self._field, self._jump = [1.0] * directions, [1.0] * directions
        self._all = False

    def widen(self, layer: Layer, out: Shape) -> None:
        """Add a layer with outputs of the shape `out`."""
        window = layer.window()
        self._all = self._all or window is None or len(out) == 1
        if window and not self._all:
            for axis, (kernel, stride) in enumerate(window):
                self._field[axis] += (kernel - 1) * self._jump[axis]
                self._jump[axis] *= stride

    def field(self) -> tuple[int, ...] | None:
        return None if self._all else tuple(math.ceil(n) for n in self._field)


def _check_matrices(row: Row, path: KeyPath) -> None:
    """Raise Refusal for an initializer or a regularizer that does not fit the rank of its tensor."""
    tensors = {name.rpartition(".")[2]: shape for name, shape in row.weight_shapes().items()}
    for tensor, shape in {**tensors, "activity": (1, *row.output_shape)}.items():
        for role in ("initializer", "regularizer"):
            chosen = getattr(row.layer, f"{tensor}_{role}", None)
            if chosen is not None and len(shape) not in chosen.ranks:
                needed = "two axes" if 3 not in chosen.ranks else "at least two axes"
                raise Refusal(
                    (*path, f"{tensor}_{role}"),
                    f"{type(chosen).__name__} needs {needed}; received {text(shape)}; choose another {role}",
                )
