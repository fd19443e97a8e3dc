"""Keras's files: the decoded model, and the archive around it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scripts.fuzzing import members
from scripts.fuzzing.contract import Open, Target


def _layer(kind: str, **arguments: Any) -> dict[str, Any]:
    """A layer as Keras 3 writes it."""
    always = {"name": kind.lower(), "trainable": True, "dtype": "float32"}
    return {"module": "keras.layers", "class_name": kind, "config": always | arguments, "registered_name": None}


def _object(module: str, kind: str, **arguments: Any) -> dict[str, Any]:
    return {"module": f"keras.{module}", "class_name": kind, "config": arguments, "registered_name": None}


INPUT = _layer("InputLayer", batch_shape=[None, 8, 8, 1])
SEQUENTIAL = {
    "module": "keras", "class_name": "Sequential", "registered_name": None,
    "config": {
        "name": "net", "trainable": True, "build_input_shape": [None, 8, 8, 1],
        "layers": [
            INPUT, _layer("Rescaling", scale=0.5, offset=0.0),
            _layer("Conv2D", filters=2, kernel_size=[3, 3], strides=[1, 1], padding="same", data_format="channels_last",
                   dilation_rate=[1, 1], groups=1, activation="relu", use_bias=True),
            _layer("Flatten"), _layer("Dropout", rate=0.2), _layer("Dense", units=10, activation="softmax"),
        ],
    },
    "compile_config": {
        "optimizer": _object("optimizers", "Adam", learning_rate=0.001, beta_1=0.9),
        "loss": "categorical_crossentropy", "metrics": ["accuracy"],
    },
}  # fmt: skip
FUNCTIONAL = {
    "module": "keras", "class_name": "Functional", "registered_name": None,
    "config": {
        "name": "net", "input_layers": [["inputlayer", 0, 0]], "output_layers": [["dense", 0, 0]],
        "layers": [
            INPUT | {"name": "inputlayer", "inbound_nodes": []},
            _layer("Flatten") | {"name": "flatten", "inbound_nodes": [
                {"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": ["inputlayer", 0, 0]}}]}]},
            _layer("Dense", units=3) | {"name": "dense", "inbound_nodes": [
                {"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": ["flatten", 0, 0]}}]}]},
        ],
    },
}  # fmt: skip


def _models() -> list[bytes]:
    return [json.dumps(SEQUENTIAL).encode(), json.dumps(FUNCTIONAL).encode()]


def _config(folder: Path) -> Open:
    from mlphys.commands.from_keras import from_keras

    path = Path("model.json")

    def opened(content: bytes) -> object:
        path.write_bytes(content)
        return from_keras(path)

    return opened


def _archives() -> list[bytes]:
    rest = [("metadata.json", b'{"keras_version": "3.15.1"}'), ("model.weights.h5", b"\x89HDF\r\n\x1a\n")]
    whole = members.listed([("config.json", _models()[0]), *rest])
    return [whole, members.RAW + members.as_zip(whole)]


def _archive(folder: Path) -> Open:
    """Without its weights, which are read as other HDF5."""
    from mlphys.commands.from_keras import from_keras

    path = Path("model.keras")

    def opened(content: bytes) -> object:
        path.write_bytes(members.as_zip(content))
        return from_keras(path)

    return opened


TARGETS = (
    Target("keras_config", _models, _config, longest=8192),
    Target("keras_file", _archives, _archive, longest=8192),
)
