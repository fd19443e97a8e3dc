"""The vector unit that machine code is made for."""

from __future__ import annotations

import sys

from mlphys.native import processor
from mlphys.native.processor import SimdUnit


def test_a_processor_without_vectors_or_a_machine_without_a_compiler_has_none(monkeypatch):
    from llvmlite import binding

    def found(machine="x86_64", **features):
        monkeypatch.setattr(processor.platform, "machine", lambda: machine)
        monkeypatch.setattr(binding, "get_host_cpu_features", lambda: binding.FeatureMap(features))
        return processor.simd_unit.__wrapped__()

    assert found(avx512f=True, avx2=True, fma=True) == SimdUnit(16, 24)
    assert found(avx512f=False, avx2=True, fma=True) == SimdUnit(8, 12)
    assert found("arm64") == SimdUnit(4, 24)
    assert found(avx2=True) is None  # it rounds products before they are added

    def unknown():
        raise RuntimeError("LLVM does not know this processor")

    monkeypatch.setattr(binding, "get_host_cpu_features", unknown)
    assert processor.simd_unit.__wrapped__() is None
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    assert processor.simd_unit.__wrapped__() is None
