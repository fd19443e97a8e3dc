"""This processor: its vector unit, and its features by LLVM's names."""

from __future__ import annotations

import functools
import platform
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SimdUnit:
    """Vector unit of a processor: float32 elements of a vector, and vector registers to use as accumulators."""

    width: int
    accumulators: int


@functools.cache
def simd_unit() -> SimdUnit | None:
    """The unit of this processor; None if it lacks fused multiply-add, or if llvmlite is not available."""
    try:
        features = cpu_features()
    except (ImportError, OSError):
        return None
    if platform.machine().lower() in ("arm64", "aarch64"):
        return SimdUnit(4, 24)
    if features.get("avx512f"):
        return SimdUnit(16, 24)
    return SimdUnit(8, 12) if features.get("avx2") and features.get("fma") else None


def cpu_features() -> Any:
    """The processor's features, by LLVM's names."""
    from llvmlite import binding

    try:
        return binding.get_host_cpu_features()
    except RuntimeError:  # LLVM cannot list them, and falls back on those that the processor's name implies
        return binding.FeatureMap()


def is_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64")
