"""Optional packages and programs that tests need."""

from __future__ import annotations

import importlib.util
import os
import shutil

import pytest

REQUIRED = "MLPHYS_TEST_EXTRAS"  # "required": a missing package is a failure, not a skip


def needs(package: str) -> None:
    """Skip the test or the file that calls this, or fail where extras are required, if a package is not installed."""
    if importlib.util.find_spec(package):
        return
    reason = f"the package {package} is not installed"
    if os.environ.get(REQUIRED) == "required":
        pytest.fail(f"{reason}, and {REQUIRED}=required")
    pytest.skip(reason, allow_module_level=True)


def needs_program(*names: str) -> str:
    """The path of the first of these programs that is there; without one, skip, or fail where extras are required."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found:
        return found
    reason = f"none of the programs {', '.join(names)} is there"
    if os.environ.get(REQUIRED) == "required":
        pytest.fail(f"{reason}, and {REQUIRED}=required")
    pytest.skip(reason)
