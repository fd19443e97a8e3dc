"""Tests of optional packages are skipped without them, and fail where they are required."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

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


def test_the_developers_set_has_every_optional_package_that_a_test_needs():
    root = Path(__file__).parents[1]
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    included = re.findall(r"mlphys\[(.+)\]", " ".join(extras["dev"]))
    installed = {
        re.match(r"[\w-]+", line).group()
        for extra in ("dev", *(name.strip() for names in included for name in names.split(",")))
        for line in extras[extra]
    }
    others = [path.read_text() for path in (root / "tests").rglob("test_*.py") if path != Path(__file__)]
    needed = {name for text in others for name in re.findall(r"\bneeds\(\"([\w-]+)\"\)", text)}
    assert needed
    assert needed <= installed
    assert not any("importorskip" in text for text in others)  # which skips where extras are required, too
