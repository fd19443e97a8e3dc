"""Code of one thread of a step: addresses in the workspace, its share of the work, register tiles."""

from __future__ import annotations

from collections.abc import Iterator

from mlphys.native.chain import Chain
from mlphys.native.llvm.function import Function
from mlphys.native.llvm.values import Index, Pointer
from mlphys.native.workspace import TILE_VECTORS, MatrixView, Workspace


class Emission:
    """Instructions of one of `threads` threads that compute the steps of a chain in a workspace."""

    def __init__(self, ir: Function, chain: Chain, workspace: Workspace):
        self.ir, self.chain, self.workspace = ir, chain, workspace
        self.buffer = ir.pointer("workspace")
        self.thread, self.threads = ir.integer("thread"), ir.integer("threads")

    def share(self, count: Index, thread: Index | None = None, threads: Index | None = None) -> tuple[Index, Index]:
        """Start and stop of the share of a thread, by default this one, in range(count)."""
        ir = self.ir
        thread, threads = self.thread if thread is None else thread, self.threads if threads is None else threads
        start = ir.sdiv(ir.mul(count, thread), threads)
        stop = ir.mul(count, ir.add(thread, 1))
        return start, ir.sdiv(stop, threads)

    def blocks(self, count: Index) -> Index:
        """Register tiles of so many samples."""
        tile_rows = self.workspace.tile_rows
        return self.ir.sdiv(self.ir.add(count, tile_rows - 1), tile_rows)

    def row(self, matrix: MatrixView, row: Index) -> Pointer:
        return self.ir.gep(self.buffer, (matrix.start, 1), (row, matrix.stride))

    def element(self, matrix: MatrixView, row: Index, column: Index) -> Pointer:
        return self.ir.gep(self.buffer, (matrix.start, 1), (row, matrix.stride), (column, 1))

    def column(self, matrix: MatrixView, column: Index) -> Pointer:
        """The first row's vector number `column`."""
        return self.ir.gep(self.buffer, (matrix.start, 1), (column, self.ir.simd_width))

    def tile(self, rows: int, columns: int) -> dict[tuple[int, int], Pointer]:
        """Accumulators of a register tile, initially zero."""
        keys = [(row, column) for row in range(rows) for column in range(columns)]
        return dict(zip(keys, self.ir.accumulators(len(keys)), strict=True))

    def column_tiles(self, matrix: MatrixView) -> Iterator[tuple[Index, int]]:
        """This thread's vectors of a row in tiles: number of the first vector, and width in vectors."""
        ir, vectors = self.ir, matrix.stride // self.ir.simd_width
        start, stop = self.share(vectors)
        remainder = ir.srem(ir.sub(stop, start), TILE_VECTORS)
        full = ir.sub(stop, remainder)
        if vectors >= TILE_VECTORS:
            with ir.loop(start, full, TILE_VECTORS) as column:
                yield column, TILE_VECTORS
        for width in range(1, min(TILE_VECTORS, vectors + 1)):
            with ir.if_then(ir.icmp("eq", remainder, width)):
                yield full, width
