"""JSON that is read in a diff: a line for each key, and for each list of plain values."""

from __future__ import annotations

import json
import re


def readable(content: object) -> str:
    text = json.dumps(content, indent=1)
    return re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda match: f"[{' '.join(match[1].split())}]", text) + "\n"
