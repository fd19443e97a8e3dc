"""What every layer has, and the arguments of those with a kernel."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from mlphys.errors import Refusal
from mlphys.schema.fields import ActivationName, Shape
from mlphys.schema.initializers import GlorotUniform, InitializerField, RegularizerField, Zeros
from mlphys.schema.spec import Spec

Window = tuple[tuple[int, float], ...]  # per direction: (kernel, stride); a stride below 1 enlarges


class Layer(Spec):
    """A Keras layer of the same name. Shapes are of one sample, channels last."""

    # False: XLA's version is slower on a CPU (convolutions five times, random numbers three times)
    compiles_in_xla: ClassVar[bool] = True
    separable: ClassVar[bool] = False  # its output for a sample depends on that sample alone
    takes_sequence: ClassVar[bool] = False  # (steps, channels)
    only_in_training: ClassVar[bool] = False  # identity when the network is evaluated

    def keras_layer(self) -> str:
        """The class in keras.layers that takes `arguments`."""
        return type(self).__name__

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the output. Raises Refusal for unsuitable input shapes."""
        return shape

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        """Shapes of the trainable weights by Keras's names, in Keras's order."""
        return {}

    def statistic_shapes(self, shape: Shape) -> dict[str, Shape]:
        """Shapes of the non-trainable weights, such as moving averages."""
        return {}

    def activation_name(self) -> str | None:
        """The activation function of its outputs, None if it has none."""
        return None

    def window(self) -> Window | None:
        """The receptive field of one output in the input, per direction; None: all of it."""
        return ()


class Weighted(Layer):
    """The arguments of the layers with a kernel and a bias."""

    separable = True
    activation: ActivationName | None = None
    """The function applied to the outputs; null is linear. Example: relu"""
    use_bias: bool = True
    """false leaves the bias out."""
    kernel_initializer: InitializerField = GlorotUniform()
    """How the kernel is initialized. Example: he_normal"""
    bias_initializer: InitializerField = Zeros()
    """How the bias is initialized."""
    kernel_regularizer: RegularizerField | None = None
    """A penalty on the kernel, added to the cost. Example: {L2: {l2: 0.001}}"""
    bias_regularizer: RegularizerField | None = None
    """A penalty on the bias, added to the cost. Example: {L2: {l2: 0.001}}"""
    activity_regularizer: RegularizerField | None = None
    """A penalty on the outputs, added to the cost. Example: {L1: {l1: 1e-5}}"""

    def activation_name(self) -> str | None:
        return self.activation

    @abstractmethod
    def kernel(self, shape: Shape) -> Shape: ...

    @abstractmethod
    def outputs(self) -> int: ...

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        kernel = {"kernel": self.kernel(shape)}
        return {**kernel, "bias": (self.outputs(),)} if self.use_bias else kernel


def need_rank(layer: str, shape: Shape, rank: int) -> None:
    """Raise Refusal unless `shape` has `rank` entries."""
    if len(shape) == rank:
        return
    expected = {2: "a sequence (steps, channels)", 3: "an image (height, width, channels)"}[rank]
    remedy = "put it before Flatten, or put a Reshape before it" if len(shape) == 1 else "put a Reshape before it"
    raise Refusal((), f"{layer} needs {expected}; received {text(shape)}; {remedy}")


def text(shape: Shape) -> str:
    """`28 x 28 x 1`."""
    return " x ".join(str(n) for n in shape)
