"""ONNX (Open Neural Network Exchange): a graph of operators that C++, JavaScript, Rust and many others run."""

from __future__ import annotations

import importlib.util
from typing import ClassVar

import numpy as np

from mlphys.errors import UserError
from mlphys.export.format import INPUT, Format, Writer
from mlphys.export.onnx_graph import OnnxGraph


class Onnx(Format):
    """An .onnx file, opset 20: `onnxruntime.InferenceSession(FILE)`, in Python, C++, JavaScript and others."""

    ending: ClassVar[str] = ".onnx"

    def require(self) -> None:
        for package in ("onnx", "onnxruntime"):
            if importlib.util.find_spec(package) is None:
                raise UserError(
                    f"ONNX files are written by onnx and tried with onnxruntime, and {package} is not installed; "
                    "`pip install 'mlphys[onnx]'` brings both"
                )

    def writer(self, name: str) -> Writer:
        return OnnxGraph(name)

    def outputs(self, content: bytes, x: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
        import onnxruntime

        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        return dict(zip(names, session.run(names, {INPUT: x}), strict=True))

    def program(self) -> str:
        import onnxruntime

        return f"onnxruntime {onnxruntime.__version__}"
