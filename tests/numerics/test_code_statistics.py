"""Statistics of codes, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mlphys.numerics.code_statistics import code_statistics


def test_codes_of_one_active_unit_have_sparsity_1_and_equal_codes_0():
    one_hot = code_statistics({"codes": np.eye(5)[np.arange(40) % 5]}, "relu")
    assert one_hot["population_sparsity"] == pytest.approx(1)
    # lifetime: each unit is one in a fifth of the samples, (1 - 1/5) / (1 - 1/40)
    assert one_hot["lifetime_sparsity"] == pytest.approx(0.8 / (39 / 40))
    single = code_statistics({"codes": np.eye(7)}, "relu")
    assert (single["population_sparsity"], single["lifetime_sparsity"]) == pytest.approx((1, 1))
    equal = code_statistics({"codes": np.full((40, 5), 0.3)}, "relu")
    assert (equal["population_sparsity"], equal["lifetime_sparsity"]) == pytest.approx((0, 0))
    nothing = code_statistics({"codes": np.zeros((40, 5))}, "relu")
    assert (nothing["population_sparsity"], nothing["lifetime_sparsity"], nothing["active_fraction"]) == (1, 1, 0)


def test_what_codes_say_is_counted_by_hand():
    codes = np.array([[0.0, 0.96, 0.5, 0.04], [1.0, 0.06, 0.005, 0.2]])
    found = code_statistics({"codes": codes, "jacobian_norms": np.array([1.0, 3.0])}, "sigmoid")
    assert found["mean_code"] == pytest.approx(codes.mean())
    assert found["active_fraction"] == 6 / 8  # all but 0 and .005
    assert found["saturated_fraction"] == 5 / 8  # 0, .96, .04; 1, .005
    assert (found["jacobian_norm"], found["jacobian_norm_stderr"]) == pytest.approx((2, 1))
    tanh = code_statistics({"codes": np.array([[0.96, -0.96, 0.94, -0.5]])}, "tanh")
    assert tanh["saturated_fraction"] == 2 / 4  # |h| > .95
    assert (tanh["lifetime_sparsity"], tanh["population_sparsity"] is None) == (None, False)
    assert not {"saturated_fraction", "jacobian_norm"} & set(code_statistics({"codes": codes}, "relu"))
