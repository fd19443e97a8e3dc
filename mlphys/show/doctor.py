"""The findings of `mlphys doctor`, as a block for a bug report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

WIDTH = 12  # of the names


def findings(checks: Sequence[Any]) -> str:
    """What is found, part by part, and then what is wrong."""
    lines = ["```"]
    for check in checks:
        check_lines = [*check.lines, *([f"PROBLEM: {check.problem}"] if check.problem else [])]
        lines += [f"{check.name if i == 0 else '':{WIDTH}}{line}" for i, line in enumerate(check_lines)]
    problems = [check.name for check in checks if check.problem]
    lines += ["```", f"problems: {', '.join(problems) or 'none'}"]
    return "\n".join(lines)
