"""Builder of functions in LLVM IR, with the instruction names of LLVM's IRBuilder.

The IR is built as text, at 1.5 us per instruction: a tenth of the time of llvmlite's IRBuilder, which renders text in
the end as well. The convolutions of a small network have tens of thousands of instructions.
"""

from __future__ import annotations

import contextlib
import functools
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NewType

from mlphys.native import machine_code

# SSA names, by their type
Pointer = NewType("Pointer", str)
Vector = NewType("Vector", str)  # <simd_width x float>
Mask = NewType("Mask", str)  # <simd_width x i1>
Scalar = NewType("Scalar", str)  # float
Double = NewType("Double", str)
Flag = NewType("Flag", str)  # i1
Integer = NewType("Integer", str)  # i64
Index = Integer | int  # an i64: an SSA name, or a constant known when the code is generated

ZERO = Vector("zeroinitializer")


@dataclass(frozen=True)
class SimdUnit:
    """Vector unit of a processor: float32 elements of a vector, and vector registers to use as accumulators."""

    width: int
    accumulators: int


@functools.cache
def simd_unit() -> SimdUnit | None:
    """The unit of this processor; None if it lacks fused multiply-add, or if llvmlite is not available."""
    try:
        features = machine_code.cpu_features()
    except (ImportError, OSError):
        return None
    if platform.machine().lower() in ("arm64", "aarch64"):
        return SimdUnit(4, 24)
    if features.get("avx512f"):
        return SimdUnit(16, 24)
    return SimdUnit(8, 12) if features.get("avx2") and features.get("fma") else None


class Function:
    """A function under construction: each method appends instructions and returns the SSA name of their result.

    add, sub, mul, ... act on i64; fadd, fsub, fmul, ... elementwise on vectors of `simd_width` floats. The stores take
    the pointer first.
    """

    def __init__(self, pointers: Sequence[str], integers: Sequence[str], simd_width: int):
        """The names of the arguments: first the pointers, then the integers."""
        self.pointers, self.integers = pointers, integers
        self.simd_width, self.vector = simd_width, f"<{simd_width} x float>"
        self._names = 0
        self._allocas: list[str] = []
        self._lines: list[str] = []
        self._externals: dict[str, None] = {}  # declarations of what the C library has, each once

    @functools.cached_property
    def text(self) -> str:
        """The function in LLVM IR."""
        arguments = [f"ptr noalias %{each}" for each in self.pointers] + [f"i64 %{each}" for each in self.integers]
        head = f"define void @function({', '.join(arguments)}) {{"
        lines = [head, "entry:", *self._allocas, *self._lines, "  ret void", "}", _declarations(self.simd_width)]
        return "\n".join([*lines, *self._externals])

    def address(self) -> int:
        """Address of the compiled function."""
        return machine_code.compile_ir(self.text, "function")

    def pointer(self, name: str) -> Pointer:
        """An argument, by name."""
        assert name in self.pointers, name
        return Pointer(f"%{name}")

    def integer(self, name: str) -> Integer:
        """An argument, by name."""
        assert name in self.integers, name
        return Integer(f"%{name}")

    def emit(self, instruction: str) -> None:
        self._lines.append(f"  {instruction}")

    def assign(self, expression: str) -> str:
        self._names += 1
        self.emit(f"%v{self._names} = {expression}")
        return f"%v{self._names}"

    def alloca(self, type_: str, initial: str | int) -> Pointer:
        """A mutable variable; LLVM's pass SROA promotes it to a register."""
        self._names += 1
        self._allocas.append(f"  %v{self._names} = alloca {type_}")
        name = Pointer(f"%v{self._names}")
        self.emit(f"store {type_} {initial}, ptr {name}")
        return name

    def accumulators(self, count: int) -> list[Pointer]:
        """Vector variables, initially zero."""
        return [self.alloca(self.vector, ZERO) for _ in range(count)]

    def gep(self, pointer: Pointer, *steps: tuple[Index, int], element: str = "float") -> Pointer:
        """`pointer` advanced by the sum of index * stride over the steps, in elements (getelementptr)."""
        offset: Index = 0
        for index, stride in steps:
            offset = self.add(offset, self.mul(index, stride))
        if offset == 0:
            return pointer
        return Pointer(self.assign(f"getelementptr inbounds {element}, ptr {pointer}, i64 {offset}"))

    # Integers (i64), folded where they are known

    def add(self, a: Index, b: Index) -> Index:
        return a + b if isinstance(a, int) and isinstance(b, int) else self._binary("add", a, b)

    def sub(self, a: Index, b: Index) -> Index:
        return a - b if isinstance(a, int) and isinstance(b, int) else self._binary("sub", a, b)

    def mul(self, a: Index, b: Index) -> Index:
        return a * b if isinstance(a, int) and isinstance(b, int) else self._binary("mul", a, b)

    def sdiv(self, a: Index, b: Index) -> Integer:
        return self._binary("sdiv", a, b)

    def srem(self, a: Index, b: Index) -> Integer:
        return self._binary("srem", a, b)

    def smin(self, a: Index, b: Index) -> Index:
        return min(a, b) if isinstance(a, int) and isinstance(b, int) else self._intrinsic("smin", a, b)

    def smax(self, a: Index, b: Index) -> Index:
        return max(a, b) if isinstance(a, int) and isinstance(b, int) else self._intrinsic("smax", a, b)

    def _binary(self, operation: str, a: Index, b: Index) -> Integer:
        return Integer(self.assign(f"{operation} i64 {a}, {b}"))

    def _intrinsic(self, operation: str, a: Index, b: Index) -> Integer:
        return Integer(self.assign(f"call i64 @llvm.{operation}.i64(i64 {a}, i64 {b})"))

    def icmp(self, predicate: str, a: Index, b: Index) -> Flag:
        """`predicate` is eq, slt, ..."""
        return Flag(self.assign(f"icmp {predicate} i64 {a}, {b}"))

    def select_i64(self, condition: Flag, a: Index, b: Index) -> Integer:
        return Integer(self.assign(f"select i1 {condition}, i64 {a}, i64 {b}"))

    def load_i64(self, pointer: Pointer) -> Integer:
        return Integer(self.assign(f"load i64, ptr {pointer}"))

    def store_i64(self, pointer: Pointer, value: Index) -> None:
        self.emit(f"store i64 {value}, ptr {pointer}")

    def load_i32(self, pointer: Pointer) -> Integer:
        """A 32-bit integer, sign-extended."""
        return Integer(self.assign(f"sext i32 {self.assign(f'load i32, ptr {pointer}')} to i64"))

    # Scalars

    def load_scalar(self, pointer: Pointer) -> Scalar:
        return Scalar(self.assign(f"load float, ptr {pointer}, align 4"))

    def store_scalar(self, pointer: Pointer, value: Scalar) -> None:
        self.emit(f"store float {value}, ptr {pointer}, align 4")

    def scale(self, value: Scalar, factor: float) -> Scalar:
        """A scalar times a constant."""
        return Scalar(self.assign(f"fmul float {value}, {constant(factor)}"))

    def ratio(self, numerator: float, denominator: Index) -> Scalar:
        """A constant divided by an integer."""
        below = self.assign(f"sitofp i64 {denominator} to float")
        return Scalar(self.assign(f"fdiv float {constant(numerator)}, {below}"))

    def product(self, a: Scalar, b: Scalar) -> Scalar:
        return Scalar(self.assign(f"fmul float {a}, {b}"))

    def double(self, value: Scalar) -> Double:
        return Double(self.assign(f"fpext float {value} to double"))

    def load_double(self, pointer: Pointer) -> Double:
        return Double(self.assign(f"load double, ptr {pointer}"))

    def multiply(self, a: Double, b: Double) -> Double:
        return Double(self.assign(f"fmul double {a}, {b}"))

    def add_to_double(self, pointer: Pointer, value: Double) -> None:
        self.emit(f"store double {self.assign(f'fadd double {self.load_double(pointer)}, {value}')}, ptr {pointer}")

    # Vectors

    def load(self, pointer: Pointer) -> Vector:
        return Vector(self.assign(f"load {self.vector}, ptr {pointer}, align 4"))

    def store(self, pointer: Pointer, value: Vector) -> None:
        self.emit(f"store {self.vector} {value}, ptr {pointer}, align 4")

    def store_masked(self, mask: Mask | None, pointer: Pointer, value: Vector) -> None:
        """Store the elements whose mask is true; without a mask, all."""
        if mask is None:
            self.store(pointer, value)
            return
        v, n = self.vector, self.simd_width
        self._externals[f"declare void @llvm.masked.store.v{n}f32.p0({v}, ptr, i32, <{n} x i1>)"] = None
        self.emit(f"call void @llvm.masked.store.v{n}f32.p0({v} {value}, ptr {pointer}, i32 4, <{n} x i1> {mask})")

    def gather(self, pointer: Pointer, stride: int) -> Vector:
        """Elements that are `stride` floats apart."""
        value = Vector("poison")
        for i in range(self.simd_width):
            element = self.load_scalar(self.gep(pointer, (i, stride)))
            value = Vector(self.assign(f"insertelement {self.vector} {value}, float {element}, i64 {i}"))
        return value

    def scatter(self, pointer: Pointer, stride: int, value: Vector) -> None:
        """Store elements `stride` floats apart."""
        for i in range(self.simd_width):
            element = Scalar(self.assign(f"extractelement {self.vector} {value}, i64 {i}"))
            self.store_scalar(self.gep(pointer, (i, stride)), element)

    def broadcast(self, value: Scalar | float) -> Vector:
        if isinstance(value, float):
            value = constant(value)
        one = self.assign(f"insertelement {self.vector} poison, float {value}, i64 0")
        zeros = f"<{self.simd_width} x i32> zeroinitializer"
        return Vector(self.assign(f"shufflevector {self.vector} {one}, {self.vector} poison, {zeros}"))

    def first_element(self, value: Vector) -> Scalar:
        return Scalar(self.assign(f"extractelement {self.vector} {value}, i64 0"))

    def fadd(self, a: Vector, b: Vector) -> Vector:
        return Vector(self.assign(f"fadd {self.vector} {a}, {b}"))

    def fsub(self, a: Vector, b: Vector) -> Vector:
        return Vector(self.assign(f"fsub {self.vector} {a}, {b}"))

    def fmul(self, a: Vector, b: Vector) -> Vector:
        return Vector(self.assign(f"fmul {self.vector} {a}, {b}"))

    def fdiv(self, a: Vector, b: Vector) -> Vector:
        return Vector(self.assign(f"fdiv {self.vector} {a}, {b}"))

    def fneg(self, a: Vector) -> Vector:
        return Vector(self.assign(f"fneg {self.vector} {a}"))

    def fma(self, a: Vector, b: Vector, c: Vector) -> Vector:
        """a * b + c, rounded once."""
        v = self.vector
        return Vector(self.assign(f"call {v} @llvm.fma.v{self.simd_width}f32({v} {a}, {v} {b}, {v} {c})"))

    def sqrt(self, a: Vector) -> Vector:
        return Vector(self.assign(f"call {self.vector} @llvm.sqrt.v{self.simd_width}f32({self.vector} {a})"))

    def fcmp(self, predicate: str, a: Vector, b: Vector) -> Mask:
        """`predicate` is ogt (greater, and neither is NaN), ole, ueq, ..."""
        return Mask(self.assign(f"fcmp {predicate} {self.vector} {a}, {b}"))

    def select(self, mask: Mask, a: Vector, b: Vector) -> Vector:
        condition = f"<{self.simd_width} x i1> {mask}"
        return Vector(self.assign(f"select {condition}, {self.vector} {a}, {self.vector} {b}"))

    def below(self, start: Index, limit: Index) -> Mask:
        """Whether start, start + 1, ..., one for each element, are below the limit."""
        n = self.simd_width
        lanes = ", ".join(f"i64 {i}" for i in range(n))
        left = self.assign(f"insertelement <{n} x i64> poison, i64 {self.sub(limit, start)}, i64 0")
        left = self.assign(f"shufflevector <{n} x i64> {left}, <{n} x i64> poison, <{n} x i32> zeroinitializer")
        return Mask(self.assign(f"icmp slt <{n} x i64> <{lanes}>, {left}"))

    def choose(self, condition: Flag, a: Vector, b: Vector) -> Vector:
        """One of two whole vectors."""
        return Vector(self.assign(f"select i1 {condition}, {self.vector} {a}, {self.vector} {b}"))

    def masked(self, mask: Mask | None, value: Vector) -> Vector:
        """Zero where the mask is false; without a mask, the value."""
        return self.select(mask, value, ZERO) if mask else value

    def maximum(self, a: Vector, b: Vector) -> Vector:
        """`a` where either is NaN."""
        return self.select(self.fcmp("olt", a, b), b, a)

    def minimum(self, a: Vector, b: Vector) -> Vector:
        """`a` where either is NaN."""
        return self.select(self.fcmp("ogt", a, b), b, a)

    def reduce_add(self, value: Vector) -> Scalar:
        """The sum of the elements, always in the same order."""
        reduction = f"@llvm.vector.reduce.fadd.v{self.simd_width}f32"
        return Scalar(self.assign(f"call reassoc float {reduction}(float 0.0, {self.vector} {value})"))

    def reduce_max(self, value: Vector) -> Scalar:
        reduction = f"@llvm.vector.reduce.fmax.v{self.simd_width}f32"
        return Scalar(self.assign(f"call float {reduction}({self.vector} {value})"))

    def bits(self, mask: Mask) -> str:
        """A mask as an i32, the first element its lowest bit."""
        bits = self.assign(f"bitcast <{self.simd_width} x i1> {mask} to i{self.simd_width}")
        return self.assign(f"zext i{self.simd_width} {bits} to i32")

    def count(self, mask: Mask) -> Integer:
        """How many elements of a mask are true."""
        found = self.assign(f"call i32 @llvm.ctpop.i32(i32 {self.bits(mask)})")
        return Integer(self.assign(f"zext i32 {found} to i64"))

    def load_mask(self, pointer: Pointer) -> Mask:
        """One bit per element."""
        stored = max(8, self.simd_width)
        bits = self.assign(f"load i{stored}, ptr {pointer}, align 1")
        if stored != self.simd_width:
            bits = self.assign(f"trunc i{stored} {bits} to i{self.simd_width}")
        return Mask(self.assign(f"bitcast i{self.simd_width} {bits} to <{self.simd_width} x i1>"))

    def store_mask(self, pointer: Pointer, mask: Mask) -> None:
        stored = max(8, self.simd_width)
        bits = self.assign(f"bitcast <{self.simd_width} x i1> {mask} to i{self.simd_width}")
        if stored != self.simd_width:
            bits = self.assign(f"zext i{self.simd_width} {bits} to i{stored}")
        self.emit(f"store i{stored} {bits}, ptr {pointer}, align 1")

    # Control flow: the body of a `with` statement is emitted into the block

    @contextlib.contextmanager
    def loop(self, start: Index, stop: Index, step: int = 1) -> Iterator[Integer]:
        """for (i = start; i < stop; i += step)"""
        counter = self.alloca("i64", start)
        label = counter[1:]
        self._lines += [f"  br label %head_{label}", f"head_{label}:"]
        i = self.load_i64(counter)
        more = self.icmp("slt", i, stop)
        self._lines += [f"  br i1 {more}, label %body_{label}, label %done_{label}", f"body_{label}:"]
        yield i
        self.store_i64(counter, self.add(i, step))
        self._lines += [f"  br label %head_{label}", f"done_{label}:"]

    def vector_loop(self, count: int) -> Iterator[tuple[Index, Mask | None]]:
        """Loop over `count` floats, a vector at a time: the first index, and a mask for an incomplete last vector."""
        full = count // self.simd_width * self.simd_width
        with self.loop(0, full, self.simd_width) as i:
            yield i, None
        if full < count:
            bits = ", ".join(f"i1 {'true' if i < count - full else 'false'}" for i in range(self.simd_width))
            yield full, Mask(f"<{bits}>")

    @contextlib.contextmanager
    def if_then(self, condition: Flag) -> Iterator[None]:
        label = self.alloca("i1", "false")[1:]
        self._lines += [f"  br i1 {condition}, label %then_{label}, label %done_{label}", f"then_{label}:"]
        yield
        self._lines += [f"  br label %done_{label}", f"done_{label}:"]

    def barrier(self, arrivals: Pointer, expected: Pointer, threads: Index, spins: int) -> None:
        """Wait for all threads. `arrivals` is a counter that they share; `expected`, one per thread, is its target.

        A thread polls `spins` times before it begins to yield its core.
        """
        target = self.add(self.load_i64(expected), threads)
        self.store_i64(expected, target)
        self.assign(f"atomicrmw add ptr {arrivals}, i64 1 seq_cst")
        polls = self.alloca("i64", 0)
        label = polls[1:]
        self._lines += [f"  br label %head_{label}", f"head_{label}:"]
        arrived = Integer(self.assign(f"load atomic i64, ptr {arrivals} seq_cst, align 8"))
        more = self.icmp("slt", arrived, target)
        self._lines += [f"  br i1 {more}, label %wait_{label}, label %done_{label}", f"wait_{label}:"]
        self.store_i64(polls, self.add(self.load_i64(polls), 1))
        late = self.icmp("sgt", self.load_i64(polls), spins)
        self._lines += [f"  br i1 {late}, label %yield_{label}, label %spin_{label}", f"yield_{label}:"]
        self._externals["declare i32 @sched_yield()"] = None  # gives the core to another process
        self.emit("call i32 @sched_yield()")
        self._lines += [f"  br label %head_{label}", f"spin_{label}:"]
        if _on_x86():
            self.emit("call void @llvm.x86.sse2.pause()")
        self._lines += [f"  br label %head_{label}", f"done_{label}:"]

    @contextlib.contextmanager
    def flush_denormals(self) -> Iterator[None]:
        """Treat denormal numbers as zero in the body, as TensorFlow does: arithmetic with them is slow."""
        if not _on_x86():
            yield
            return
        before, flushing = self.alloca("i32", 0), self.alloca("i32", 0)
        self.emit(f"call void @llvm.x86.sse.stmxcsr(ptr {before})")
        value = self.assign(f"load i32, ptr {before}")
        self.emit(f"store i32 {self.assign(f'or i32 {value}, 32832')}, ptr {flushing}")
        self.emit(f"call void @llvm.x86.sse.ldmxcsr(ptr {flushing})")
        yield
        self.emit(f"call void @llvm.x86.sse.ldmxcsr(ptr {before})")


def constant(value: float) -> Scalar:
    """A float32 as LLVM writes it: exactly, as the hexadecimal digits of the float64."""
    import struct

    (single,) = struct.unpack("f", struct.pack("f", value))
    return Scalar(f"0x{struct.unpack('>Q', struct.pack('>d', single))[0]:016X}")


def _declarations(simd_width: int) -> str:
    v = f"<{simd_width} x float>"
    return "\n".join(
        (
            f"declare {v} @llvm.fma.v{simd_width}f32({v}, {v}, {v})",
            f"declare {v} @llvm.rint.v{simd_width}f32({v})",
            f"declare {v} @llvm.sqrt.v{simd_width}f32({v})",
            f"declare float @llvm.vector.reduce.fadd.v{simd_width}f32(float, {v})",
            f"declare float @llvm.vector.reduce.fmax.v{simd_width}f32({v})",
            "declare void @llvm.x86.sse2.pause()",
            "declare void @llvm.x86.sse.stmxcsr(ptr)",
            "declare void @llvm.x86.sse.ldmxcsr(ptr)",
            "declare i64 @llvm.smin.i64(i64, i64)",
            "declare i64 @llvm.smax.i64(i64, i64)",
            "declare i32 @llvm.ctpop.i32(i32)",
            f"declare <{simd_width} x i32> @llvm.ctpop.v{simd_width}i32(<{simd_width} x i32>)",
        )
    )


def _on_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64")
