"""Tests of optional packages are skipped without them, and fail where they are required."""

from __future__ import annotations

import pytest

from tests.helpers.extras import REQUIRED, needs


def test_an_installed_package_is_neither_skipped_nor_failed(monkeypatch):
    monkeypatch.setenv(REQUIRED, "required")
    needs("numpy")


def test_a_test_of_a_missing_package_is_skipped_with_the_reason(monkeypatch):
    monkeypatch.delenv(REQUIRED, raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"^the package no_such_package is not installed$"):
        needs("no_such_package")


def test_a_test_of_a_missing_package_fails_where_extras_are_required(monkeypatch):
    monkeypatch.setenv(REQUIRED, "required")
    with pytest.raises(pytest.fail.Exception, match="no_such_package is not installed, and MLPHYS_TEST_EXTRAS=req"):
        needs("no_such_package")
