"""Functions over vectors, written in LLVM's language and compiled for this processor."""

from __future__ import annotations

import contextlib
import functools
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Value = str | int  # the name of a 64-bit integer in LLVM's language, or a known one


@dataclass(frozen=True)
class Vectors:
    """How many float32 numbers a vector of the processor holds, and how many vectors a sum may be spread over."""

    lanes: int
    sums: int


@functools.cache
def vectors() -> Vectors | None:
    """Those of this processor; None: it cannot multiply and add at once, or nothing can be compiled here."""
    try:
        has = _features()
    except (ImportError, OSError):
        return None
    if platform.machine().lower() in ("arm64", "aarch64"):
        return Vectors(4, 24)
    if has.get("avx512f"):
        return Vectors(16, 24)
    return Vectors(8, 12) if has.get("avx2") and has.get("fma") else None


def _features() -> Any:
    """What the processor can do, by LLVM's names."""
    from llvmlite import binding as llvm

    try:
        return llvm.get_host_cpu_features()
    except RuntimeError:  # LLVM does not know them, and takes what its name stands for
        return llvm.FeatureMap()


class Function:
    """A function being written: each method adds instructions and gives the name of what they compute.

    Pointers are in units of float unless said; `lanes` numbers make a vector.
    """

    def __init__(self, pointers: Sequence[str], integers: Sequence[str], lanes: int):
        """The arguments by name, the integers last."""
        self.pointers, self.integers = pointers, integers
        self.lanes, self.vector = lanes, f"<{lanes} x float>"
        self._names = 0
        self._kept: list[str] = []
        self._lines: list[str] = []

    @functools.cached_property
    def text(self) -> str:
        """In LLVM's language."""
        arguments = [f"ptr noalias %{each}" for each in self.pointers] + [f"i64 %{each}" for each in self.integers]
        head = f"define void @function({', '.join(arguments)}) {{"
        lines = [head, "entry:", *self._kept, *self._lines, "  ret void", "}", _declarations(self.lanes)]
        return "\n".join(lines)

    def address(self) -> int:
        """Where it is, compiled."""
        return compiled(self.text, "function")

    def do(self, instruction: str) -> None:
        self._lines.append(f"  {instruction}")

    def be(self, expression: str) -> str:
        self._names += 1
        self.do(f"%v{self._names} = {expression}")
        return f"%v{self._names}"

    def variable(self, kind: str, value: Value) -> str:
        """A place that is read and written; the compiler keeps it in a register."""
        self._names += 1
        self._kept.append(f"  %v{self._names} = alloca {kind}")
        name = f"%v{self._names}"
        self.do(f"store {kind} {value}, ptr {name}")
        return name

    def sums(self, count: int, start: str = "zeroinitializer") -> list[str]:
        """Vectors that grow."""
        return [self.variable(self.vector, start) for _ in range(count)]

    def integer(self, operation: str, a: Value, b: Value) -> Value:
        """`operation` is add, sub, mul, smin, smax, sdiv or srem; the last two of what is not known."""
        if isinstance(a, int) and isinstance(b, int):
            known = {"add": a + b, "sub": a - b, "mul": a * b, "smin": min(a, b), "smax": max(a, b)}
            return known[operation]
        if operation in ("smin", "smax"):
            return self.be(f"call i64 @llvm.{operation}.i64(i64 {a}, i64 {b})")
        return self.be(f"{operation} i64 {a}, {b}")

    def at(self, pointer: str, *steps: tuple[Value, int], unit: str = "float") -> str:
        """A pointer moved by the sum of index * size."""
        offset: Value = 0
        for index, size in steps:
            offset = self.integer("add", offset, self.integer("mul", index, size))
        return pointer if offset == 0 else self.be(f"getelementptr inbounds {unit}, ptr {pointer}, i64 {offset}")

    def get(self, pointer: str) -> str:
        return self.be(f"load {self.vector}, ptr {pointer}, align 4")

    def put(self, pointer: str, value: str) -> None:
        self.do(f"store {self.vector} {value}, ptr {pointer}, align 4")

    def number(self, pointer: str) -> str:
        return self.be(f"load float, ptr {pointer}, align 4")

    def put_number(self, pointer: str, value: str) -> None:
        self.do(f"store float {value}, ptr {pointer}, align 4")

    def everywhere(self, number: str | float) -> str:
        """A vector of one number."""
        if isinstance(number, float):
            number = constant(number)
        one = self.be(f"insertelement {self.vector} poison, float {number}, i64 0")
        return self.be(f"shufflevector {self.vector} {one}, {self.vector} poison, <{self.lanes} x i32> zeroinitializer")

    def plus(self, a: str, b: str) -> str:
        return self.be(f"fadd {self.vector} {a}, {b}")

    def minus(self, a: str, b: str) -> str:
        return self.be(f"fsub {self.vector} {a}, {b}")

    def times(self, a: str, b: str) -> str:
        return self.be(f"fmul {self.vector} {a}, {b}")

    def over(self, a: str, b: str) -> str:
        return self.be(f"fdiv {self.vector} {a}, {b}")

    def times_plus(self, a: str, b: str, c: str) -> str:
        v = self.vector
        return self.be(f"call {v} @llvm.fma.v{self.lanes}f32({v} {a}, {v} {b}, {v} {c})")

    def where(self, condition: str, a: str, b: str) -> str:
        return self.be(f"select <{self.lanes} x i1> {condition}, {self.vector} {a}, {self.vector} {b}")

    def compare(self, how: str, a: str, b: str) -> str:
        """`how` is ogt (greater, both numbers), ole, ..."""
        return self.be(f"fcmp {how} {self.vector} {a}, {b}")

    def total(self, value: str) -> str:
        """The sum over a vector, always in the same order."""
        return self.be(
            f"call reassoc float @llvm.vector.reduce.fadd.v{self.lanes}f32(float 0.0, {self.vector} {value})"
        )

    def negative(self, a: str) -> str:
        return self.be(f"fneg {self.vector} {a}")

    def root(self, a: str) -> str:
        return self.be(f"call {self.vector} @llvm.sqrt.v{self.lanes}f32({self.vector} {a})")

    def larger(self, a: str, b: str) -> str:
        """Lane by lane; `a` where one of them is not a number."""
        return self.where(self.compare("olt", a, b), b, a)

    def smaller(self, a: str, b: str) -> str:
        """Lane by lane; `a` where one of them is not a number."""
        return self.where(self.compare("ogt", a, b), b, a)

    def largest(self, value: str) -> str:
        """The largest number of a vector."""
        return self.be(f"call float @llvm.vector.reduce.fmax.v{self.lanes}f32({self.vector} {value})")

    def masked(self, mask: str | None, value: str) -> str:
        """Zero where the mask is false."""
        return self.where(mask, value, "zeroinitializer") if mask else value

    def columns(self, count: int) -> Iterator[tuple[Value, str | None]]:
        """The vectors of a row of `count` numbers; the last, if it is not full, with a mask."""
        whole = count // self.lanes * self.lanes
        with self.loop(0, whole, self.lanes) as column:
            yield column, None
        if whole < count:
            bits = ", ".join(f"i1 {'true' if i < count - whole else 'false'}" for i in range(self.lanes))
            yield whole, f"<{bits}>"

    def product(self, number: str, factor: float) -> str:
        """Of single numbers."""
        return self.be(f"fmul float {number}, {constant(factor)}")

    def ratio(self, number: float, count: Value) -> str:
        """A number over an integer."""
        below = self.be(f"sitofp i64 {count} to float")
        return self.be(f"fdiv float {constant(number)}, {below}")

    def first(self, value: str) -> str:
        """The number in the first lane."""
        return self.be(f"extractelement {self.vector} {value}, i64 0")

    def whole(self, pointer: str) -> str:
        return self.be(f"load i64, ptr {pointer}")

    def index(self, pointer: str) -> str:
        """A 32-bit integer as one of 64."""
        return self.be(f"sext i32 {self.be(f'load i32, ptr {pointer}')} to i64")

    def add_to_double(self, pointer: str, number: str) -> None:
        total = self.be(f"load double, ptr {pointer}")
        total = self.be(f"fadd double {total}, {self.be(f'fpext float {number} to double')}")
        self.do(f"store double {total}, ptr {pointer}")

    @contextlib.contextmanager
    def only_if(self, condition: str) -> Iterator[None]:
        """What is written inside is done where the condition, an i1, holds."""
        label = self.variable("i1", "false")[1:]
        self._lines += [f"  br i1 {condition}, label %then_{label}, label %done_{label}", f"then_{label}:"]
        yield
        self._lines += [f"  br label %done_{label}", f"done_{label}:"]

    def meet(self, barrier: str, meetings: str, threads: Value, spins: int) -> None:
        """Wait until all threads are here. `meetings` counts in each of them, `barrier` is shared."""
        wanted = self.integer("add", self.whole(meetings), threads)
        self.do(f"store i64 {wanted}, ptr {meetings}")
        self.be(f"atomicrmw add ptr {barrier}, i64 1 seq_cst")
        looks = self.variable("i64", 0)
        label = looks[1:]
        self._lines += [f"  br label %head_{label}", f"head_{label}:"]
        here = self.be(f"load atomic i64, ptr {barrier} seq_cst, align 8")
        more = self.be(f"icmp slt i64 {here}, {wanted}")
        self._lines += [f"  br i1 {more}, label %wait_{label}, label %done_{label}", f"wait_{label}:"]
        self.do(f"store i64 {self.integer('add', self.whole(looks), 1)}, ptr {looks}")
        late = self.be(f"icmp sgt i64 {self.whole(looks)}, {spins}")
        self._lines += [f"  br i1 {late}, label %yield_{label}, label %spin_{label}", f"yield_{label}:"]
        self.do(f"call i32 inttoptr (i64 {_yield()} to ptr)()")
        self._lines += [f"  br label %head_{label}", f"spin_{label}:"]
        if _on_x86():
            self.do("call void @llvm.x86.sse2.pause()")
        self._lines += [f"  br label %head_{label}", f"done_{label}:"]

    @contextlib.contextmanager
    def without_denormals(self) -> Iterator[None]:
        """Inside of it numbers too small for all their digits are zero, as in TensorFlow: those take long."""
        if not _on_x86():
            yield
            return
        before, now = self.variable("i32", 0), self.variable("i32", 0)
        self.do(f"call void @llvm.x86.sse.stmxcsr(ptr {before})")
        value = self.be(f"load i32, ptr {before}")
        self.do(f"store i32 {self.be(f'or i32 {value}, 32832')}, ptr {now}")
        self.do(f"call void @llvm.x86.sse.ldmxcsr(ptr {now})")
        yield
        self.do(f"call void @llvm.x86.sse.ldmxcsr(ptr {before})")

    def get_bits(self, pointer: str) -> str:
        """A truth value for each lane."""
        held = max(8, self.lanes)
        bits = self.be(f"load i{held}, ptr {pointer}, align 1")
        bits = bits if held == self.lanes else self.be(f"trunc i{held} {bits} to i{self.lanes}")
        return self.be(f"bitcast i{self.lanes} {bits} to <{self.lanes} x i1>")

    def put_bits(self, pointer: str, condition: str) -> None:
        held = max(8, self.lanes)
        bits = self.be(f"bitcast <{self.lanes} x i1> {condition} to i{self.lanes}")
        bits = bits if held == self.lanes else self.be(f"zext i{self.lanes} {bits} to i{held}")
        self.do(f"store i{held} {bits}, ptr {pointer}, align 1")

    @contextlib.contextmanager
    def loop(self, start: Value, stop: Value, step: int = 1) -> Iterator[str]:
        """What is written inside is done for start <= i < stop."""
        counter = self.variable("i64", start)
        label = counter[1:]
        self._lines += [f"  br label %head_{label}", f"head_{label}:"]
        i = self.be(f"load i64, ptr {counter}")
        more = self.be(f"icmp slt i64 {i}, {stop}")
        self._lines += [f"  br i1 {more}, label %body_{label}, label %done_{label}", f"body_{label}:"]
        yield i
        self.do(f"store i64 {self.integer('add', i, step)}, ptr {counter}")
        self._lines += [f"  br label %head_{label}", f"done_{label}:"]


def constant(number: float) -> str:
    """A float32 as LLVM writes it: exactly, as the hexadecimal digits of the float64."""
    import struct

    (single,) = struct.unpack("f", struct.pack("f", number))
    return f"0x{struct.unpack('>Q', struct.pack('>d', single))[0]:016X}"


def _declarations(lanes: int) -> str:
    v = f"<{lanes} x float>"
    return "\n".join(
        (
            f"declare {v} @llvm.fma.v{lanes}f32({v}, {v}, {v})",
            f"declare {v} @llvm.rint.v{lanes}f32({v})",
            f"declare {v} @llvm.sqrt.v{lanes}f32({v})",
            f"declare float @llvm.vector.reduce.fadd.v{lanes}f32(float, {v})",
            f"declare float @llvm.vector.reduce.fmax.v{lanes}f32({v})",
            "declare void @llvm.x86.sse2.pause()",
            "declare void @llvm.x86.sse.stmxcsr(ptr)",
            "declare void @llvm.x86.sse.ldmxcsr(ptr)",
            "declare i64 @llvm.smin.i64(i64, i64)",
            "declare i64 @llvm.smax.i64(i64, i64)",
        )
    )


def _on_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64")


def _yield() -> int:
    """The address of the function that offers the core to another process."""
    import ctypes

    address = ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value
    assert address
    return address


@functools.cache
def compiled(source: str, name: str) -> int:
    """The address of a function of `source`."""
    from llvmlite import binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target, features = llvm.Target.from_default_triple(), _features().flatten()
    machine = target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features)
    module = llvm.parse_assembly(source)
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()  # variables into registers; what is more takes longer and gains nothing
    passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    _engines.append(engine)
    address = engine.get_function_address(name)
    assert address, name
    return address


_engines: list[object] = []  # what is compiled is freed with its engine
