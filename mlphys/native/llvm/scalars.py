"""Instructions on single values: variables, addresses, integers, floats."""

from __future__ import annotations

from mlphys.native.llvm.values import Double, Flag, Index, Integer, Pointer, Scalar, constant


class ScalarBuilder:
    """Code under construction: each method appends instructions and returns the SSA name of their result.

    add, sub, mul, ... act on i64. The stores take the pointer first.
    """

    def __init__(self) -> None:
        self._names = 0
        self._allocas: list[str] = []
        self._lines: list[str] = []

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

    def to_float(self, value: Index) -> Scalar:
        return Scalar(self.assign(f"sitofp i64 {value} to float"))

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
