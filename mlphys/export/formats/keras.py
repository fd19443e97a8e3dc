"""Keras's own file: a model of Keras's layers and operations, which Keras 3.5 and later open without mlphys."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mlphys.errors import UserError
from mlphys.export.format import INPUT, Format, Writer
from mlphys.networks import builder
from mlphys.networks.penalties.sparsity import KSparse
from mlphys.networks.penalties.variational import CodeMean
from mlphys.schema.fields import Shape
from mlphys.schema.graph import Arrays
from mlphys.schema.shapes import Row

# Keras's Normalization divides by max(spread, 1e-7)
SMALLEST_SPREAD = 1e-6

# Arguments that versions after 3.0 added, with the values that mean what the earlier ones do
LATER = {
    "quantization_config": None, "input_axes": None, "output_axes": None, "optional": False, "ragged": False,
    "renorm": False, "renorm_clipping": None, "renorm_momentum": 0.99, "synchronized": False, "rms_scaling": False,
}  # fmt: skip


class Keras(Format):
    """A .keras file of Keras's own layers: `keras.saving.load_model(FILE)` in Keras 3.5 and later."""

    ending: ClassVar[str] = ".keras"

    def require(self) -> None:
        """Keras is always there."""

    def writer(self, name: str) -> Writer:
        return KerasGraph(name)

    def outputs(self, content: bytes, x: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
        import keras

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            path.write_bytes(content)
            _require_own_classes(path)
            model = keras.saving.load_model(path, safe_mode=True)
        outputs = model.predict(x, batch_size=100, verbose=0)
        return {name: outputs[name] if len(names) > 1 else outputs for name in names}

    def program(self) -> str:
        import keras

        return f"Keras {keras.__version__}"


def _for_earlier_versions(path: Path) -> bytes:
    """The file without what Keras's later versions added and earlier ones refuse."""
    content = io.BytesIO()
    with zipfile.ZipFile(path) as written, zipfile.ZipFile(content, "w") as archive:
        for name in written.namelist():
            member = written.read(name)
            if name == "config.json":
                member = json.dumps(_without_later(json.loads(member))).encode()
            archive.writestr(name, member)
    return content.getvalue()


def _without_later(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_later(each) for each in value]
    if not isinstance(value, dict):
        return value
    supported = {key: _without_later(each) for key, each in value.items() if not (key in LATER and LATER[key] == each)}
    if str(supported.get("module")).startswith("keras.src.ops."):
        # their names, which nothing refers to, came later too
        supported["config"] = {key: each for key, each in supported["config"].items() if key != "name"}
    return supported


def _require_own_classes(path: Path) -> None:
    """The file must name nothing but Keras, as it is opened here, where classes of mlphys would be found too."""
    with zipfile.ZipFile(path) as archive:
        foreign = {module for module in _modules(json.loads(archive.read("config.json"))) if module != "builtins"}
    foreign = {module for module in foreign if module.partition(".")[0] != "keras"}
    assert not foreign, f"the file names classes of {foreign}"


def _modules(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("module"), str):
            yield value["module"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _modules(each)


class KerasGraph(Writer):
    """A functional model; its tensors are Keras's."""

    def __init__(self, name: str):
        self._name = name
        self._input: Any = None

    def input(self, shape: Shape) -> Any:
        import keras

        self._input = keras.Input(shape, name=INPUT)
        return self._input

    def content(self, outputs: Mapping[str, Any]) -> bytes:
        import keras

        named = next(iter(outputs.values())) if len(outputs) == 1 else dict(outputs)
        model = keras.Model(self._input, named, name=self._name)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            model.save(path)
            return _for_earlier_versions(path)

    def layer(self, row: Row, arrays: Arrays, x: Any) -> Any:
        import keras
        from keras import ops

        if isinstance(row.layer, KSparse):
            one_hot = ops.one_hot(ops.top_k(x, row.layer.k)[1], row.input_shape[0])
            return x * ops.sum(one_hot, axis=1)
        if isinstance(row.layer, CodeMean):
            return x[:, : row.output_shape[0]]
        if row.layer.only_in_training and not row.trainable:
            return x
        fixed = [name for name, value in row.layer.arguments().items() if isinstance(value, np.ndarray)]
        arguments = {name: value for name, value in builder.arguments(row, seed=0).items() if name not in fixed}
        kind = getattr(keras.layers, row.layer.keras_layer(), None)
        if kind is None:
            raise UserError(f"{row.name}: the layer {row.layer.keras_layer()} is none of Keras's; --format onnx has it")
        layer = kind(**arguments, name=row.name)
        layer.trainable = layer.trainable and row.trainable
        return self._filled(layer, list(arrays.values()), x)

    def dense(self, x: Any, kernel: np.ndarray, bias: np.ndarray | None = None) -> Any:
        import keras

        layer = keras.layers.Dense(kernel.shape[1], use_bias=bias is not None)
        return self._filled(layer, [kernel] if bias is None else [kernel, bias], x)

    def standardized(self, x: Any, mean: np.ndarray, spread: np.ndarray) -> Any:
        import keras

        if spread.min() < SMALLEST_SPREAD:
            return self.scaled(self.scaled(x, 1.0, -mean), 1 / spread.astype(np.float64), 0.0)
        layer = keras.layers.Normalization(axis=tuple(range(1, 1 + mean.ndim)))
        layer.build(x.shape)
        layer.adapt_mean.assign(mean)
        layer.adapt_variance.assign(spread.astype(np.float64) ** 2)
        layer.finalize_state()
        return layer(x)

    def scaled(self, x: Any, factor: float | np.ndarray, offset: float | np.ndarray) -> Any:
        import keras

        return keras.layers.Rescaling(np.asarray(factor).tolist(), np.asarray(offset).tolist())(x)

    def contrast_normalized(self, x: Any, shape: Shape, epsilon: float) -> Any:
        import keras

        axes = list(range(1, 1 + len(shape)))
        return keras.layers.LayerNormalization(axis=axes, epsilon=epsilon, center=False, scale=False)(x)

    def reshaped(self, x: Any, shape: Shape) -> Any:
        import keras
        from keras import ops

        if tuple(x.shape[1:]) == tuple(shape):
            return x
        if not shape:
            return ops.squeeze(x, axis=-1)
        return keras.layers.Flatten()(x) if len(shape) == 1 else keras.layers.Reshape(shape)(x)

    def activation(self, x: Any, name: str) -> Any:
        import keras

        return keras.layers.Activation(name)(x)

    def sqrt(self, x: Any) -> Any:
        from keras import ops

        return ops.sqrt(x)

    def sum(self, x: Any) -> Any:
        from keras import ops

        return ops.sum(x, axis=-1, keepdims=True)

    def one_hot_of_smallest(self, x: Any, values: int) -> Any:
        from keras import ops

        return ops.one_hot(ops.argmin(x, axis=-1), values)

    def concatenated(self, tensors: Sequence[Any]) -> Any:
        import keras

        return keras.layers.Concatenate(axis=-1)(list(tensors))

    def _filled(self, layer: Any, arrays: Sequence[np.ndarray], x: Any) -> Any:
        out = layer(x)
        layer.set_weights(arrays)
        return out
