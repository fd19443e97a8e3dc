"""Compiled functions as operations of a TensorFlow graph, registered through TensorFlow's C API for kernels."""

from __future__ import annotations

import ctypes
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import tensorflow as tf

from mlphys.native import machine_code
from mlphys.native.llvm.function import Function

Size = int | Literal["count", "groups"]
Outputs = dict[str, tuple[str, tuple[Size, ...]]]  # name to type and shape
TYPES = {"float": (1, 4), "uint8": (4, 1)}  # TensorFlow's enum value of a type, and its bytes per element


@dataclass(frozen=True)
class Operation:
    """A TensorFlow operation that calls `function`.

    `inputs` (name to type) and `outputs` are pointer arguments of the function; the others are
    null. The integer argument "count" is the length of the first axis of the input `batch_input`; the others are
    `constants`. In a shape, "groups" is the number of vectors that hold `count` samples.
    """

    function: Function
    inputs: dict[str, str]
    outputs: Outputs
    batch_input: str
    constants: dict[str, int] = field(default_factory=dict)

    @functools.cached_property
    def name(self) -> str:
        """A unique name: a hash of the operation's IR."""
        return f"Mlphys{hashlib.sha256(self._source.encode()).hexdigest()[:20]}"

    def address(self) -> int:
        """Address of the compiled kernel function, which TensorFlow calls."""
        from llvmlite import binding

        for name in C_FUNCTIONS:  # ctypes has loaded the library where LLVM does not look
            binding.add_symbol(name, ctypes.cast(getattr(_library(), name), ctypes.c_void_p).value)
        return machine_code.compile_ir(self._source, "compute")

    @functools.cached_property
    def _source(self) -> str:
        """The IR of the function and the kernel that calls it; without addresses, all processes have the same."""
        declared = [f"declare {result} @{name}({', '.join(types)})" for name, (result, *types) in C_FUNCTIONS.items()]
        return "\n".join([*declared, self.function.text, *_compute(self)])


# Functions of TensorFlow's C API that a kernel calls, and the types of their result and arguments
C_FUNCTIONS: dict[str, tuple[str, ...]] = {
    "TF_NewStatus": ("ptr",),
    "TF_DeleteStatus": ("void", "ptr"),
    "TF_GetInput": ("void", "ptr", "i32", "ptr", "ptr"),
    "TF_TensorData": ("ptr", "ptr"),
    "TF_Dim": ("i64", "ptr", "i32"),
    "TF_AllocateOutput": ("ptr", "ptr", "i32", "i32", "ptr", "i32", "i64", "ptr"),
    "TF_DeleteTensor": ("void", "ptr"),
    "TF_OpKernelContext_Failure": ("void", "ptr", "ptr"),
}


def _call(function: str, *arguments: str) -> str:
    return f"call {C_FUNCTIONS[function][0]} @{function}({', '.join(arguments)})"


def _compute(operation: Operation) -> list[str]:
    """IR of compute(kernel, context): get the inputs, allocate the outputs, call the function, release both."""
    function, batch = operation.function, operation.batch_input
    tensors = {name for name in function.pointers if name in operation.inputs or name in operation.outputs}
    pointers = [f"ptr %{name}.data" if name in tensors else "ptr null" for name in function.pointers]
    integers = [f"i64 {operation.constants.get(name, f'%{name}')}" for name in function.integers]
    return [
        "define void @compute(ptr %kernel, ptr %context) {",
        f"  %status = {_call('TF_NewStatus')}",
        *(line for i, name in enumerate(operation.inputs) for line in _get_input(i, name)),
        f"  %count = {_call('TF_Dim', f'ptr %{batch}.tensor', 'i32 0')}",
        f"  %more = add i64 %count, {function.simd_width - 1}",
        f"  %groups = sdiv i64 %more, {function.simd_width}",
        *(line for i, (name, of) in enumerate(operation.outputs.items()) for line in _allocate_output(i, name, *of)),
        f"  call void @function({', '.join(pointers + integers)})",
        *(f"  {_call('TF_DeleteTensor', f'ptr %{name}.tensor')}" for name in operation.outputs),
        "  br label %done",
        "failed:",
        f"  {_call('TF_OpKernelContext_Failure', 'ptr %context', 'ptr %status')}",
        "  br label %done",
        "done:",
        *(f"  {_call('TF_DeleteTensor', f'ptr %{name}.tensor')}" for name in operation.inputs),
        f"  {_call('TF_DeleteStatus', 'ptr %status')}",
        "  ret void",
        "}",
    ]


def _get_input(i: int, name: str) -> list[str]:
    """Input i as %name.tensor and %name.data."""
    slot = f"ptr %{name}.place"
    return [
        f"  %{name}.place = alloca ptr",
        f"  store ptr null, {slot}",
        f"  {_call('TF_GetInput', 'ptr %context', f'i32 {i}', slot, 'ptr %status')}",
        f"  %{name}.tensor = load ptr, {slot}",
        f"  %{name}.data = {_call('TF_TensorData', f'ptr %{name}.tensor')}",
    ]


def _allocate_output(i: int, name: str, kind: str, shape: Sequence[Size]) -> list[str]:
    """Output i as %name.tensor and %name.data; a jump to `failed` without memory for it."""
    number, size = TYPES[kind]
    lines = [f"  %{name}.shape = alloca [{len(shape)} x i64]", f"  %{name}.bytes.0 = add i64 {size}, 0"]
    for axis, length in enumerate([str(each) if isinstance(each, int) else f"%{each}" for each in shape]):
        lines += [
            f"  %{name}.{axis} = getelementptr i64, ptr %{name}.shape, i64 {axis}",
            f"  store i64 {length}, ptr %{name}.{axis}",
            f"  %{name}.bytes.{axis + 1} = mul i64 %{name}.bytes.{axis}, {length}",
        ]
    allocation = f"ptr %{name}.shape", f"i32 {len(shape)}", f"i64 %{name}.bytes.{len(shape)}"
    tensor = _call("TF_AllocateOutput", "ptr %context", f"i32 {i}", f"i32 {number}", *allocation, "ptr %status")
    return [
        *lines,
        f"  %{name}.tensor = {tensor}",
        f"  %{name}.lacks = icmp eq ptr %{name}.tensor, null",
        f"  br i1 %{name}.lacks, label %failed, label %{name}.made",
        f"{name}.made:",
        f"  %{name}.data = {_call('TF_TensorData', f'ptr %{name}.tensor')}",
    ]


def apply(operation: Operation, inputs: Sequence[Any]) -> list[Any]:
    """Add the operation to the current graph and return its outputs."""
    name = operation.name
    _register(name, operation)
    from tensorflow.python.framework import ops  # what tf.compat.v1 has too, but takes most of a second to import

    graph = ops.get_default_graph()
    types = [getattr(tf, "float32" if kind == "float" else kind) for kind, _ in operation.outputs.values()]
    outputs = graph.create_op(name, [tf.convert_to_tensor(each) for each in inputs], types).outputs
    for tensor, (_, shape) in zip(outputs, operation.outputs.values(), strict=True):
        tensor.set_shape([length if isinstance(length, int) else None for length in shape])
    return outputs


_registered: set[str] = set()


def _register(name: str, operation: Operation) -> None:
    """Register an operation and its kernel with TensorFlow, once per process."""
    if name in _registered:
        return
    library = _library()
    status = library.TF_NewStatus()
    builder = library.TF_NewOpDefinitionBuilder(name.encode())
    for each, kind in operation.inputs.items():
        library.TF_OpDefinitionBuilderAddInput(builder, f"{each}: {kind}".encode())
    for each, (kind, _) in operation.outputs.items():
        library.TF_OpDefinitionBuilderAddOutput(builder, f"{each}: {kind}".encode())
    library.TF_RegisterOpDefinition(builder, status)
    _check(library, status)
    kernel = library.TF_NewKernelBuilder(name.encode(), b"CPU", None, operation.address(), None)
    library.TF_RegisterKernelBuilder(name.encode(), kernel, status)
    _check(library, status)
    library.TF_DeleteStatus(status)
    _registered.add(name)


def _check(library: Any, status: int) -> None:
    """Raise RuntimeError if a call has failed."""
    if library.TF_GetCode(status):
        raise RuntimeError(library.TF_Message(status).decode())


@functools.cache
def available() -> bool:
    """Whether this TensorFlow exports its C API for kernels."""
    try:
        _library()
    except (AttributeError, OSError, StopIteration):
        return False
    return True


@functools.cache
def _library() -> Any:
    """TensorFlow's C API, in the shared library of its wheel that the import has loaded."""
    folder = Path(tf.sysconfig.get_lib())
    library = ctypes.CDLL(str(next(folder.glob("libtensorflow_cc.*"))))
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    signatures: dict[str, tuple[Any, ...]] = {  # return type, types of the arguments
        **dict.fromkeys(C_FUNCTIONS, (None,)),  # called from IR
        "TF_NewStatus": (pointer,),
        "TF_DeleteStatus": (None, pointer),
        "TF_GetCode": (ctypes.c_int, pointer),
        "TF_Message": (text, pointer),
        "TF_NewOpDefinitionBuilder": (pointer, text),
        "TF_OpDefinitionBuilderAddInput": (None, pointer, text),
        "TF_OpDefinitionBuilderAddOutput": (None, pointer, text),
        "TF_RegisterOpDefinition": (None, pointer, pointer),
        "TF_NewKernelBuilder": (pointer, text, text, pointer, pointer, pointer),
        "TF_RegisterKernelBuilder": (None, text, pointer, pointer),
    }
    for name, (result, *arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
