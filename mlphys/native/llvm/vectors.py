"""Instructions on vectors of floats and on masks."""

from __future__ import annotations

from mlphys.native.llvm.scalars import ScalarBuilder
from mlphys.native.llvm.values import ZERO, Flag, Index, Integer, Mask, Pointer, Scalar, Vector, Words, constant


class VectorBuilder(ScalarBuilder):
    """fadd, fsub, fmul, ... act elementwise on vectors of `simd_width` floats."""

    def __init__(self, simd_width: int):
        super().__init__()
        self.simd_width, self.vector = simd_width, f"<{simd_width} x float>"
        self._externals: dict[str, None] = {}  # declarations of what not every function calls, each once

    def accumulators(self, count: int) -> list[Pointer]:
        """Vector variables, initially zero."""
        return [self.alloca(self.vector, ZERO) for _ in range(count)]

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

    def gather_masked(self, mask: Mask, pointer: Pointer, indices: Words) -> Vector:
        """The floats number `indices` from the pointer on; zero where the mask is false."""
        n, v = self.simd_width, self.vector
        self._externals[f"declare {v} @llvm.masked.gather.v{n}f32.v{n}p0(<{n} x ptr>, i32, <{n} x i1>, {v})"] = None
        places = self.assign(f"getelementptr float, ptr {pointer}, <{n} x i32> {indices}")
        arguments = f"<{n} x ptr> {places}, i32 4, <{n} x i1> {mask}, {v} zeroinitializer"
        return Vector(self.assign(f"call {v} @llvm.masked.gather.v{n}f32.v{n}p0({arguments})"))

    def scatter_masked(self, mask: Mask | None, pointer: Pointer, stride: int, value: Vector) -> None:
        """Store the elements whose mask is true, `stride` floats apart; without a mask, all."""
        if stride == 1:
            self.store_masked(mask, pointer, value)
            return
        n, v = self.simd_width, self.vector
        self._externals[f"declare void @llvm.masked.scatter.v{n}f32.v{n}p0({v}, <{n} x ptr>, i32, <{n} x i1>)"] = None
        offsets = f"<{', '.join(f'i32 {i * stride}' for i in range(n))}>"
        places = self.assign(f"getelementptr float, ptr {pointer}, <{n} x i32> {offsets}")
        stored = mask or "splat (i1 true)"
        arguments = f"{v} {value}, <{n} x ptr> {places}, i32 4, <{n} x i1> {stored}"
        self.emit(f"call void @llvm.masked.scatter.v{n}f32.v{n}p0({arguments})")

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

    def floor(self, a: Vector) -> Vector:
        return self._rounded("floor", a)

    def round_to_zero(self, a: Vector) -> Vector:
        return self._rounded("trunc", a)

    def _rounded(self, how: str, a: Vector) -> Vector:
        v, name = self.vector, f"@llvm.{how}.v{self.simd_width}f32"
        self._externals[f"declare {v} {name}({v})"] = None
        return Vector(self.assign(f"call {v} {name}({v} {a})"))

    def to_int(self, a: Vector) -> Words:
        """Whole numbers within the range of an int32."""
        return Words(self.assign(f"fptosi {self.vector} {a} to <{self.simd_width} x i32>"))

    def scaled(self, a: Words, factor: int) -> Words:
        return a if factor == 1 else Words(self.assign(f"mul <{self.simd_width} x i32> {a}, splat (i32 {factor})"))

    def both(self, a: Mask, b: Mask) -> Mask:
        return Mask(self.assign(f"and <{self.simd_width} x i1> {a}, {b}"))

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
        popcount = self.assign(f"call i32 @llvm.ctpop.i32(i32 {self.bits(mask)})")
        return Integer(self.assign(f"zext i32 {popcount} to i64"))

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
