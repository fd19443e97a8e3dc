"""`--set a.b.0.c=value`: override a key of a config from the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from mlphys.errors import UserError
from mlphys.schema.document import DEEPEST, Document, KeyPath, dotted, parse


def overridden(document: Document, overrides: Sequence[str]) -> Document:
    """The document with each override `a.b.0.c=value` applied."""
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key:
            raise UserError(f"--set {override}: expected key=value, such as --set training.epochs=5")
        document = with_key(document, key, parse(value, f"--set {key}").data, f"--set {override}")
    return document


def with_key(document: Document, key: str, value: Any, source: str) -> Document:
    """The document with `value` at a dotted key; `source` is what messages say of where it comes from."""
    return document.with_value(_key_path(document.data, key, source), value, source)


def _key_path(data: Any, key: str, source: str) -> KeyPath:
    """The parts of a dotted key, numbers where the config has a list."""
    try:
        key.encode()
    except UnicodeEncodeError:
        raise UserError(f"{source}: the key holds bytes that are no UTF-8; write it as `mlphys explain` does") from None
    if key.count(".") > DEEPEST:
        raise UserError(f"{source}: a key of {key.count('.') + 1} parts; no config is deeper than {DEEPEST}")
    parts: list[str | int] = []
    for part in key.split("."):
        if isinstance(data, list):
            if not re.fullmatch("[0-9]{1,9}", part) or int(part) >= len(data):
                entries = f"write the number of an entry, 0 to {len(data) - 1}" if data else "write all of it"
                raise UserError(
                    f"{source}: {dotted(tuple(parts))} is a list of {len(data)}; {entries}; received {part!r}"
                )
            parts.append(int(part))
            data = data[int(part)]
        elif parts[:1] == ["expect"]:  # its keys contain dots
            return ("expect", key.partition(".")[2])
        else:
            parts.append(part)
            data = data.get(part) if isinstance(data, dict) else None
    return tuple(parts)
