"""`--set key=value` on documents of any shape."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlphys.config.overrides import overridden
from mlphys.errors import UserError
from mlphys.schema.document import KeyPath, dotted, dump, flow, parse

WORDS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,7}", fullmatch=True).filter(lambda word: word != "expect")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(WORDS, VALUES, min_size=1, max_size=4)


def paths(data: Any, path: KeyPath = ()) -> list[KeyPath]:
    """Of all keys and entries of lists below the top."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return ([path] if path else []) + [found for key, value in inner for found in paths(value, (*path, key))]


def at(data: Any, path: KeyPath) -> Any:
    for key in path:
        data = data[key]
    return data


@given(st.data(), DOCUMENTS, VALUES)
def test_an_override_puts_any_value_at_its_key_and_the_old_value_puts_the_document_back(data, config, value):
    document = parse(dump(config), "f.yaml")
    path = data.draw(st.sampled_from(paths(config)), "path")
    changed = overridden(document, [f"{dotted(path)}={flow(value)}"])
    assert repr(at(changed.data, path)) == repr(value)
    assert changed.place(path).startswith(f"--set {dotted(path)}=")
    assert document.data == config
    back = overridden(changed, [f"{dotted(path)}={flow(at(config, path))}"])
    assert repr(back.data) == repr(config)


@given(DOCUMENTS, st.lists(WORDS, min_size=1, max_size=3), VALUES)
def test_a_key_that_the_document_leaves_out_is_added_with_the_blocks_around_it(config, words, value):
    new = ["new", *words]
    config.pop("new", None)
    changed = overridden(parse(dump(config), "f.yaml"), [f"{'.'.join(new)}={flow(value)}"])
    assert repr(at(changed.data, tuple(new))) == repr(value)
    assert {key: changed.data[key] for key in config} == config


@given(DOCUMENTS, VALUES, VALUES)
def test_of_two_overrides_of_a_key_the_last_counts(config, first, last):
    key = next(iter(config))
    document = parse(dump(config), "f.yaml")
    both = overridden(document, [f"{key}={flow(first)}", f"{key}={flow(last)}"])
    assert repr(both.data) == repr(overridden(document, [f"{key}={flow(last)}"]).data)


def test_a_key_of_bytes_that_are_no_text_is_refused():
    with pytest.raises(UserError, match="the key holds bytes that are no UTF-8"):
        overridden(parse("a: 1", "f.yaml"), ["b\udc80=1"])
