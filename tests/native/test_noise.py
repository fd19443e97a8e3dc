"""The random numbers of machine code."""

from __future__ import annotations

import numpy as np
import pytest

from mlphys.native import noise, processor
from mlphys.native.llvm.function import Function
from tests.helpers.philox import philox

SIZE = 2**17


def drawn(seed, batch, write, dtype=np.uint32):
    """What `write(ir, words)` makes of the words of elements 0, 1, ... of a batch."""
    width = processor.simd_unit().width
    ir = Function(("seed", "out"), ("batch",), width)
    with ir.loop(0, SIZE, width) as i:
        words = noise.draw(ir, ir.pointer("seed"), ir.integer("batch"), i)
        ir.store(ir.gep(ir.pointer("out"), (i, 1)), write(ir, words))
    seed, out = np.array(seed, np.uint32), np.zeros(SIZE, dtype)
    call = ir.compiled()
    call(seed.ctypes.data, out.ctypes.data, batch)
    return out


def word(which):
    return lambda ir, words: ir.assign(f"bitcast <{ir.simd_width} x i32> {words[which]} to {ir.vector}")


# the first from Random123's kat_vectors, the last by its digits of pi
@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0, 0), 0, (0xFF1DAE59, 0x6CD10DF2)),
        ((0xFFFFFFFF, 0xFFFFFFFF), 0xFFFFFFFF, (0x2C3F628B, 0xAB4FD7AD)),
        ((0x243F6A88, 0x85A308D3), 0x13198A2E, (0xDD7CE038, 0xF62A4C12)),
    ],
)
def test_the_reference_gives_the_published_numbers(counter, key, words):
    assert tuple(int(each[0]) for each in philox(np.array([counter[0]]), counter[1], key)) == words


@pytest.mark.parametrize(("seed", "batch"), [((0, 0), 0), ((2**32 - 1, 2**32 - 1), 3), ((0x13198A2E, 5), 70_000)])
def test_words_are_philox_of_element_and_batch_keyed_by_the_seed(seed, batch):
    expected = philox(np.arange(SIZE), seed[1] + batch, seed[0])
    for which in (0, 1):
        np.testing.assert_array_equal(drawn(seed, batch, word(which)), expected[which].astype(np.uint32))


def test_normal_numbers_have_the_moments_and_tails_of_a_normal_distribution():
    found = drawn((3, 4), 5, noise.standard_normal, np.float32).astype(float)
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3), (6, 15)):
        stderr = np.std(found**power) / SIZE**0.5
        assert abs((found**power).mean() - moment) < 4 * stderr
    for bound, chance in ((1, 0.317311), (2, 0.0455003), (3, 0.0026998)):
        assert abs((abs(found) > bound).mean() - chance) < 4 * (chance / SIZE) ** 0.5
    assert 4 < abs(found).max() < 6.7
