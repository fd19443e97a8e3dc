"""Safe YAML with positions, and YAML written so that it reads back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlphys.errors import UserError
from mlphys.schema import document
from mlphys.schema.document import LARGEST_FILE, dump, flow, parse, read


def error_of(function, *arguments) -> str:
    with pytest.raises(UserError) as raised:
        function(*arguments)
    return str(raised.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1E3", 1e3),
        ("-.5e3", -500.0),
        ("1.", 1.0),
        ("+7", 7),
        ("007", 7),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("no", "no"),
        ("on", "on"),
        ("0x10", "0x10"),
        ("0o17", "0o17"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("'1e-3'", "1e-3"),
        ('"true"', "true"),
        ("[1, 2.5, relu]", [1, 2.5, "relu"]),
        ("{b: {}}", {"b": {}}),
    ],
)
def test_a_scalar_is_what_yaml_1_2_says(text, value):
    read_back = parse(f"a: {text}", "f.yaml").data["a"]
    assert read_back == value
    assert type(read_back) is type(value)


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN"])
def test_not_a_number_is_a_number_that_the_schema_can_refuse(text):
    assert math.isnan(parse(text, "f.yaml").data)


def test_keys_are_text_as_written():
    assert parse("1: a\ntrue: b\n", "f.yaml").data == {"1": "a", "true": "b"}


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n"])
def test_an_empty_document_holds_nothing(text):
    assert parse(text, "f.yaml").data is None


TWO_LAYERS = """
model:
  layers:
    - Flatten
    - Dense:
        units: 3
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), "f.yaml:2"),
        (("model",), "f.yaml:2"),
        (("model", "layers"), "f.yaml:3"),
        (("model", "layers", 0), "f.yaml:4"),
        (("model", "layers", 1), "f.yaml:5"),
        (("model", "layers", 1, "Dense", "units"), "f.yaml:6"),
        (("model", "layers", 1, "Dense", "activation"), "f.yaml:5"),
        (("model", "kind"), "f.yaml:2"),
        (("training", "epochs"), "f.yaml:2"),
    ],
)
def test_a_key_path_is_found_on_its_line_or_that_of_the_block_around_it(path, place):
    assert parse(TWO_LAYERS, "f.yaml").place(path) == place


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("model", "layers", 1, "Dense", "units"), "--set"),
        (("model", "layers", 1, "Dense"), "--set"),
        (("model",), "--set"),
        (("model", "layers", 0), "f.yaml:4"),
        ((), "f.yaml:2"),
    ],
)
def test_a_block_that_an_override_changed_is_placed_at_the_override(path, place):
    changed = parse(TWO_LAYERS, "f.yaml").with_value(("model", "layers", 1, "Dense", "units"), 4, "--set")
    assert changed.place(path) == place
    assert changed.data["model"]["layers"] == ["Flatten", {"Dense": {"units": 4}}]


def test_an_override_leaves_the_document_as_it_was():
    original = parse(TWO_LAYERS, "f.yaml")
    original.with_value(("model", "layers", 1, "Dense", "units"), 4, "--set")
    original.with_value(("training", "epochs"), 4, "--set")
    assert original == parse(TWO_LAYERS, "f.yaml")


BROKEN = [
    ("a: 1\na: 2", "f.yaml:2: a: the key appears twice, first on line 1; remove one"),
    ("a:\n  b: 1\n  c: 2\n  b: 3", "f.yaml:4: a.b: the key appears twice, first on line 2; remove one"),
    ("a:\n\tb: 1", "f.yaml:2: a tab in the indentation; YAML allows spaces only, two for each level"),
    ("\ta: 1", "f.yaml:1: a tab in the indentation; YAML allows spaces only, two for each level"),
    ("a: 1\t# one", "f.yaml:1: a tab between the words; write spaces instead"),
    (
        "a: &x 1\nb: *x",
        "f.yaml:2: b: YAML aliases (*name) are not supported; write the value out",
    ),
    (
        "a: &x {b: *x}",
        "f.yaml:1: a.b: YAML aliases (*name) are not supported; write the value out",
    ),
    (
        "a: !!python/object/apply:os.system [ls]",
        "f.yaml:1: a: the YAML tag !!python/object/apply:os.system is not supported; write a plain value",
    ),
    ("a: !!str 3", "f.yaml:1: a: the YAML tag !!str is not supported; write a plain value"),
    ("a: !!set {b}", "f.yaml:1: a: the YAML tag !!set is not supported; write a plain value"),
    ("!own {b: 1}", "f.yaml:1: the YAML tag !own is not supported; write a plain value"),
    ("? [1]\n: 2", "f.yaml:1: a key must be a plain word; received a list or a block"),
    ('"\\e[2J": 1', "f.yaml:1: a key must be a plain word; received '\\x1b[2J'"),
    ("a: 123456789012345678901", "f.yaml:1: a: a number of 21 digits"),
    (
        "a: b: c",
        "f.yaml:1: not readable as YAML: a second colon in one line, or the wrong indentation; received 'a: b: c'",
    ),
    (
        "a:\n  b: 1\n c: 2",
        "f.yaml:3: not readable as YAML: the indentation does not fit the lines above; received 'c: 2'",
    ),
    (
        "a: [1, 2",
        "f.yaml:1: not readable as YAML: a comma is missing, or a bracket is not closed; received 'a: [1, 2'",
    ),
    (
        "a\nb: 1",
        "f.yaml:2: not readable as YAML: a second colon in one line, or the wrong indentation; received 'b: 1'",
    ),
    ("a: 'b", 'f.yaml:1: not readable as YAML: a quotation mark is not closed; received "a: \'b"'),
    (
        "a: @b",
        "f.yaml:1: not readable as YAML: put text that begins with this character in quotation marks; received 'a: @b'",
    ),
    (
        "a: 1\n---\na: 2",
        "f.yaml:2: not readable as YAML: a second document begins; one file is one experiment; received '---'",
    ),
    (
        "a: \x01",
        "f.yaml: not readable as YAML: unacceptable character #x0001: special characters are not allowed",
    ),
    ("[" * 42 + "]" * 42, f"f.yaml:1: {'.'.join('0' * 41)}: nested deeper than 40 levels"),
    ("[" * 100_000, f"f.yaml:1: {'.'.join('0' * 41)}: nested deeper than 40 levels"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN, ids=[repr(text[:20]) for text, _ in BROKEN])
def test_unreadable_yaml_is_refused_at_its_line(text, message):
    assert error_of(parse, text, "f.yaml") == message


def test_forty_levels_below_the_first_are_read():
    value = parse("[" * 41 + "]" * 41, "f.yaml").data
    for _ in range(40):
        (value,) = value
    assert value == []


def test_an_alias_bomb_is_refused_before_it_grows():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]  # 9^12 entries
    message = "f.yaml:2: a1.0: YAML aliases (*name) are not supported; write the value out"
    assert error_of(parse, "\n".join(lines), "f.yaml") == message


def test_a_file_is_read_with_its_path_as_name(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_bytes("\ufeffa: é\r\nb: 2\r\n".encode())  # as Windows' editor writes it
    found = read(path)
    assert found.data == {"a": "é", "b": 2}
    assert found.place(("b",)) == f"{path}:2"


def test_a_file_that_cannot_be_a_config_is_refused_with_the_reason(tmp_path):
    path = tmp_path / "f.yaml"
    assert error_of(read, path) == f"{path}: no such file; `mlphys list configs` names the shipped configs"
    assert error_of(read, tmp_path) == f"{tmp_path}: is a folder; name the YAML file of one experiment in it"
    path.write_bytes(b"a: \xff\xfe")
    assert error_of(read, path) == f"{path}: not a text file in UTF-8 (byte 3)"
    path.write_bytes(b"#" * (LARGEST_FILE + 1))
    assert error_of(read, path) == f"{path}: larger than 200000 bytes, so not the config of an experiment"
    path.write_bytes(b"#" * LARGEST_FILE)
    assert read(path).data is None
    nowhere = path / "g.yaml"
    assert error_of(read, nowhere) == f"{nowhere}: cannot be read: Not a directory"


NASTY = [
    "1e3", "1e-07", "1.", ".5", "+1", "007", ".inf", ".nan", "no", "on", "true", "False", "null", "~", "",
    "0x10", "0o17", "1_000", "1:30", "2024-01-01", "=", "<<", "a: b", "a #b", "#", "- a", "?", "*a", "&a", "!a", "%",
    "@", "`", "|", ">", "'", '"', "[1]", "{a: 1}", " a ", "a\nb", "a\n", "a\tb", "é", "\x07", "\x85", "\u2028",
    "x " * 100,
    0, -3, 10**19, 1e-07, 1e300, 0.1, -0.0, 1.0, math.inf, True, False, None, [], {}, [[], [[1]]], [{}, {"a": []}],
    {"a": {"b": {"c": [1, "1"]}}}, [{"Dense": {"units": 3}}, "Flatten"], {"": 1}, {"1": 2, "null": 3, "a: b": 4},
]  # fmt: skip


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = TEXT.filter(str.isprintable)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**19) + 1, 10**20 - 1) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
    max_leaves=12,
)


@given(PLAIN)
def test_what_is_dumped_parses_to_the_same(value):
    for data in (value, {"key": value}, [value]):
        for text in (dump(data), flow(data)):
            read_back = parse(text, "f.yaml").data
            assert read_back == data
            assert repr(read_back) == repr(data)  # -0.0 and 1.0 are not 0 and 1


@pytest.mark.parametrize("value", NASTY, ids=lambda value: repr(value)[:20])
def test_each_value_that_looks_like_another_is_dumped_as_itself(value):
    for data in (value, {"key": value}, [value]):
        assert repr(parse(dump(data), "f.yaml").data) == repr(data)


def test_a_dump_keeps_the_order_and_writes_short_lists_in_one_line():
    data = {"b": (5, 5), "a": [{"Conv2D": {"filters": 8}}, "Flatten"], "c": 1e-3}
    assert dump(data) == "b: [5, 5]\na:\n- Conv2D:\n    filters: 8\n- Flatten\nc: 0.001\n"


def test_equal_values_are_dumped_without_aliases():
    shared = {"units": 3}
    assert dump([shared, shared]) == "- units: 3\n- units: 3\n"


def test_a_key_path_is_written_with_dots():
    assert document.dotted(("model", "layers", 0, "Dense")) == "model.layers.0.Dense"


@given(PLAIN)
def test_a_long_text_is_parsed_to_the_same_values_and_lines_as_a_short_one(value):
    text = dump({"key": value, "last": 1})
    short, long = parse(text, "f.yaml"), parse(f"{text}# {'-' * document.LONG}\n", "f.yaml")
    assert repr(long.data) == repr(short.data)
    assert long.places == short.places


@pytest.mark.parametrize(("text", "message"), BROKEN, ids=[repr(text[:20]) for text, _ in BROKEN])
def test_the_fast_parser_for_long_texts_refuses_what_the_other_does(text, message, monkeypatch):
    if "\t#" in text:
        pytest.skip("libyaml takes a tab before a comment, as YAML allows")
    monkeypatch.setattr(document, "LONG", 0)
    assert error_of(parse, text, "f.yaml") == message
