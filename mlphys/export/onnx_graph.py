"""An ONNX graph written node by node (ONNX operators, opset 20)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlphys.errors import UserError
from mlphys.export.format import INPUT, Writer
from mlphys.schema.fields import Shape
from mlphys.schema.graph import Arrays
from mlphys.schema.layers import Layer
from mlphys.schema.shapes import Row

OPSET, IR = 20, 9  # the first opset with Gelu, and the file version that belongs to it
BATCH = "n"

Operand = Any  # a Tensor, an array, a number
Write = Callable[..., "Tensor"]  # of the graph and x, for a layer also of it, its weights and its row


@dataclass(frozen=True)
class Tensor:
    """A value of the graph by its name, with arithmetic."""

    graph: OnnxGraph
    name: str

    def __add__(self, other: Operand) -> Tensor:
        return self.graph.node("Add", self, other)

    def __sub__(self, other: Operand) -> Tensor:
        return self.graph.node("Sub", self, other)

    def __mul__(self, other: Operand) -> Tensor:
        return self.graph.node("Mul", self, other)

    def __rmul__(self, other: Operand) -> Tensor:
        return self.graph.node("Mul", other, self)

    def __truediv__(self, other: Operand) -> Tensor:
        return self.graph.node("Div", self, other)

    def __pow__(self, other: Operand) -> Tensor:
        return self.graph.node("Pow", self, other)


class OnnxGraph(Writer):
    """Nodes and constants, in the order in which they are written.

    `layers` and `activations` write one layer, by its class, and one activation, by its name.
    """

    def __init__(self, name: str, layers: Mapping[type[Layer], Write], activations: Mapping[str, Write]):
        self._name, self._layers, self._activations = name, layers, activations
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []

    def node(self, operator: str, *operands: Operand, **attributes: Any) -> Tensor:
        """A node with one output that is used; arrays and numbers become constants, whole ones int64."""
        return self.nodes(operator, *operands, outputs=1, **attributes)[0]

    def nodes(self, operator: str, *operands: Operand, outputs: int, **attributes: Any) -> list[Tensor]:
        """A node with several outputs."""
        from onnx import helper

        names = [f"{operator}_{len(self._nodes)}" + (f"_{i}" if i else "") for i in range(outputs)]
        inputs = [operand.name if isinstance(operand, Tensor) else self._constant(operand) for operand in operands]
        self._nodes.append(helper.make_node(operator, inputs, names, name=names[0], **attributes))
        return [Tensor(self, name) for name in names]

    def _constant(self, value: Any) -> str:
        from onnx import numpy_helper

        array = np.asarray(value)
        whole = array.dtype.kind == "i" and not isinstance(value, int)
        name = f"constant_{len(self._constants)}"
        stored = np.ascontiguousarray(array, np.int64 if whole else np.float32).reshape(array.shape)
        self._constants.append(numpy_helper.from_array(stored, name))
        return name

    def input(self, shape: Shape) -> Tensor:
        from onnx import TensorProto, helper

        self._inputs = [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [BATCH, *shape])]
        return Tensor(self, INPUT)

    def content(self, outputs: Mapping[str, Tensor]) -> bytes:
        from onnx import TensorProto, checker, helper, shape_inference

        for name, tensor in outputs.items():
            self._nodes.append(helper.make_node("Identity", [tensor.name], [name], name=name))
        infos = [helper.make_empty_tensor_value_info(name) for name in outputs]
        for info in infos:
            info.type.tensor_type.elem_type = TensorProto.FLOAT
        graph = helper.make_graph(self._nodes, self._name, self._inputs, infos, self._constants)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR, producer_name="mlphys"
        )
        model = shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
        checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True))

    def layer(self, row: Row, arrays: Arrays, x: Tensor) -> Tensor:
        if row.layer.only_in_training:
            return x
        write = self._layers.get(type(row.layer))
        if write is None:
            raise UserError(f"{row.name}: the layer {type(row.layer).__name__} has no ONNX form; --format keras has it")
        return write(self, row.layer, arrays, x, row)

    def dense(self, x: Tensor, kernel: np.ndarray, bias: np.ndarray | None = None) -> Tensor:
        product = self.node("MatMul", x, kernel)
        return product if bias is None else product + bias

    def standardized(self, x: Tensor, mean: np.ndarray, spread: np.ndarray) -> Tensor:
        return (x - mean) / spread if (spread != 1).any() else x - mean

    def scaled(self, x: Tensor, factor: float | np.ndarray, offset: float | np.ndarray) -> Tensor:
        scaled = x * factor if np.any(np.asarray(factor) != 1) else x
        return scaled + offset if np.any(offset) else scaled

    def contrast_normalized(self, x: Tensor, shape: Shape, epsilon: float) -> Tensor:
        return self.node("LayerNormalization", x, np.ones(shape, np.float32), axis=1, epsilon=epsilon)

    def reshaped(self, x: Tensor, shape: Shape) -> Tensor:
        return self.node("Reshape", x, np.array([-1, *shape]))

    def activation(self, x: Tensor, name: str) -> Tensor:
        return self._activations[name](self, x)

    def sqrt(self, x: Tensor) -> Tensor:
        return self.node("Sqrt", x)

    def sum(self, x: Tensor) -> Tensor:
        return self.node("ReduceSum", x, np.array([-1]), keepdims=1)

    def one_hot_of_smallest(self, x: Tensor, values: int) -> Tensor:
        nearest = self.node("ArgMin", x, axis=-1, keepdims=0)
        return self.node("OneHot", nearest, np.array(values), np.array([0.0, 1.0]), axis=-1)

    def concatenated(self, tensors: Sequence[Tensor]) -> Tensor:
        return self.node("Concat", *tensors, axis=-1)
