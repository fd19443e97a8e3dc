"""A function in LLVM IR: arguments, control flow, its text and its address.

The IR is built as text, at 1.5 us per instruction: a tenth of the time of llvmlite's IRBuilder, which renders text in
the end as well. The convolutions of a small network have tens of thousands of instructions.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
from collections.abc import Callable, Iterator, Sequence

from mlphys.native import machine_code
from mlphys.native.llvm.values import Flag, Index, Integer, Mask, Pointer
from mlphys.native.llvm.vectors import VectorBuilder
from mlphys.native.processor import is_x86


class Function(VectorBuilder):
    """A function under construction."""

    def __init__(self, pointers: Sequence[str], integers: Sequence[str], simd_width: int):
        """The names of the arguments: first the pointers, then the integers."""
        super().__init__(simd_width)
        self.pointers, self.integers = pointers, integers

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

    def compiled(self) -> Callable[..., None]:
        """The compiled function of its pointers and integers; ctypes releases the GIL while it runs."""
        types = [*[ctypes.c_void_p] * len(self.pointers), *[ctypes.c_int64] * len(self.integers)]
        return ctypes.CFUNCTYPE(None, *types)(self.address())

    def pointer(self, name: str) -> Pointer:
        """An argument, by name."""
        assert name in self.pointers, name
        return Pointer(f"%{name}")

    def integer(self, name: str) -> Integer:
        """An argument, by name."""
        assert name in self.integers, name
        return Integer(f"%{name}")

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
        if is_x86():
            self.emit("call void @llvm.x86.sse2.pause()")
        self._lines += [f"  br label %head_{label}", f"done_{label}:"]

    @contextlib.contextmanager
    def flush_denormals(self) -> Iterator[None]:
        """Treat denormal numbers as zero in the body, as TensorFlow does: arithmetic with them is slow."""
        if not is_x86():
            yield
            return
        before, flushing = self.alloca("i32", 0), self.alloca("i32", 0)
        self.emit(f"call void @llvm.x86.sse.stmxcsr(ptr {before})")
        value = self.assign(f"load i32, ptr {before}")
        self.emit(f"store i32 {self.assign(f'or i32 {value}, 32832')}, ptr {flushing}")
        self.emit(f"call void @llvm.x86.sse.ldmxcsr(ptr {flushing})")
        yield
        self.emit(f"call void @llvm.x86.sse.ldmxcsr(ptr {before})")


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
