"""SSA values of LLVM IR by their types, and constants."""

from __future__ import annotations

import struct
from typing import NewType

# The names of SSA values
Pointer = NewType("Pointer", str)
Vector = NewType("Vector", str)  # <simd_width x float>
Words = NewType("Words", str)  # <simd_width x i32>
Mask = NewType("Mask", str)  # <simd_width x i1>
Scalar = NewType("Scalar", str)  # float
Double = NewType("Double", str)
Flag = NewType("Flag", str)  # i1
Integer = NewType("Integer", str)  # i64
Index = Integer | int  # an i64: an SSA name, or a constant known when the code is generated

ZERO = Vector("zeroinitializer")


def constant(value: float) -> Scalar:
    """A float32 as LLVM writes it: exactly, as the hexadecimal digits of the float64."""
    (single,) = struct.unpack("f", struct.pack("f", value))
    return Scalar(f"0x{struct.unpack('>Q', struct.pack('>d', single))[0]:016X}")
