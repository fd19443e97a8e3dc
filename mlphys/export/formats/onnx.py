"""ONNX (Open Neural Network Exchange): a graph of operators that C++, JavaScript, Rust and many others run."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mlphys.errors import UserError
from mlphys.export.format import INPUT, Format, Writer
from mlphys.export.onnx_graph import OnnxGraph
from mlphys.export.onnx_layers import ACTIVATIONS, LAYERS


class Onnx(Format):
    """An .onnx file, opset 20: `onnxruntime.InferenceSession(FILE)`, in Python, C++, JavaScript and others."""

    ending: ClassVar[str] = ".onnx"

    def require(self) -> None:
        try:
            import onnx  # noqa: F401
            import onnxruntime  # noqa: F401
        except ImportError as error:
            raise UserError(
                f"ONNX files are written by onnx and tried with onnxruntime, and {error.name} is not installed; "
                "`pip install 'mlphys[onnx]'` brings both"
            ) from None

    def writer(self, name: str) -> Writer:
        return OnnxGraph(name, LAYERS, ACTIVATIONS)

    def outputs(self, content: bytes, x: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
        import onnxruntime

        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        return dict(zip(names, session.run(names, {INPUT: x}), strict=True))

    def program(self) -> str:
        import onnxruntime

        return f"onnxruntime {onnxruntime.__version__}"
