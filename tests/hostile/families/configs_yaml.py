"""YAML that breaks parsers, fills memory, or means something else than it shows."""

from __future__ import annotations

from collections.abc import Iterator

from tests.hostile.case import Case
from tests.hostile.inputs import CONFIG, wrote

LONG_BILLION = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 10)}]\n" for i in range(9)
)
TAGS = (
    "!!python/object/apply:os.system ['touch hacked']",
    "!!python/object/new:os.system [x]",
    "!!python/name:os.system ''",
    "!!python/module:os ''",
    "!!python/tuple [1]",
    "!!binary aGk=",
    "!!set {a, b}",
    "!!omap [a: 1]",
    "!!timestamp 2026-01-01",
    "!local x",
    "!!int '7'",
    "!!float '7'",
    "!!str 7",
    "!<tag:yaml.org,2002:python/object/apply:os.system> [x]",
)
TEXTS = {
    "empty": ("", "empty|nothing|expected"),
    "only a comment": ("# nothing\n", "empty|nothing|expected"),
    "null": ("null\n", "c.yaml"),
    "a number": ("7\n", "c.yaml"),
    "a word": ("word\n", "c.yaml"),
    "a list": ("- 1\n- 2\n", "c.yaml"),
    "two documents": (f"{CONFIG}---\n{CONFIG}", "document"),
    "a directive": ("%TAG ! tag:evil,2026:\n---\na: !b c\n", "c.yaml"),
    "an unknown version": (f"%YAML {'9' * 5000}.1\n---\na: 1\n", "c.yaml"),
    "a version of many digits": (f"%YAML 1.{'9' * 5000}\n---\na: 1\n", "c.yaml"),
    "a billion laughs": (LONG_BILLION, "c.yaml"),
    "an anchor": ("data: &d {name: digits}\nmodel: *d\n", "c.yaml"),
    "an alias of itself": ("a: &a [*a]\n", "c.yaml"),
    "an alias without anchor": ("a: *b\n", "c.yaml"),
    "merged keys": ("a: {<<: {b: 1}}\n", "c.yaml"),
    "a key twice": (f"{CONFIG}data: {{name: moons}}\n", "twice|duplicate|second"),
    "a key twice in a block": ("data: {name: digits, name: moons}\n", "twice|duplicate|second"),
    "a key that is a list": ("? [a, b]\n: 1\n", "c.yaml"),
    "a key that is a block": ("? {a: b}\n: 1\n", "c.yaml"),
    "a key that is null": ("~: 1\n", "c.yaml"),
    "a key that is a number": ("1: 1\n", "c.yaml"),
    "a key that is true": ("true: 1\n", "c.yaml"),
    "an empty key": ('"": 1\n', "c.yaml"),
    "a tab": ("data:\n\tname: digits\n", "c.yaml"),
    "a code point too large": ('a: "\\UFFFFFFFF"\n', "c.yaml"),
    "a code point above the last": ('a: "\\U00110000"\n', "c.yaml"),
    "a surrogate": ('a: "\\uD800"\n', "c.yaml"),
    "control characters as a key": ('"\\e[31m\\u202e": 1\n', r"\\x1b\[31m\\u202e"),
    "control characters as a value": ('data: {name: "\\e]0;x\\a"}\n', r"\\x1b"),
    "raw control characters": ("data: {name: \x1b[2J}\n", "c.yaml"),
    "a raw null byte": ("data: {name: a\0b}\n", "c.yaml"),
    "a line separator": ("data: {name: a\u2028b}\n", "c.yaml"),
    "a next line": ("data: {name: a\u0085b}\n", "c.yaml"),
    "a direction override": ("data: {name: a\u202eb}\n", "c.yaml"),
    "a tag character": ("data: {name: dig\U000e0041its}\n", "c.yaml"),
    "a Cyrillic letter in a key": ("d\u0430ta: {name: digits}\n", "c.yaml"),
    "a fullwidth key": ("\uff44ata: {name: digits}\n", "c.yaml"),
    "deep lists": (f"a: {'[' * 10_000}", "c.yaml"),
    "deep closed lists": (f"a: {'[' * 5000}{']' * 5000}\n", "c.yaml"),
    "deep blocks": (f"a: {'{a: ' * 10_000}", "c.yaml"),
    "deep dashes": (f"{'- ' * 10_000}a", "c.yaml"),
    "deep question marks": (f"{'? ' * 10_000}a", "c.yaml"),
    "deep indentation": ("".join(f"{' ' * i}a:\n" for i in range(400)), "c.yaml"),
    "41 levels": (f"a: {'[' * 41}{']' * 41}\n", "c.yaml"),
    "a key of 100,000 characters": (f"{'x' * 100_000}: 1\n", "c.yaml"),
    "a value of 100,000 characters": (f"data: {{name: {'x' * 100_000}}}\n", "c.yaml"),
    "18,000 keys": ("".join(f"k{i}: 1\n" for i in range(18_000)), "c.yaml"),
    "60,000 entries": (f"a: [{'1,' * 60_000}]\n", "c.yaml"),
    "a million empty lines": ("\n" * 1_000_000, "larger than 200000 bytes"),
    "more than 200 kB": (f"# {'x' * 200_001}\n{CONFIG}", "larger than 200000 bytes"),
    "an unclosed quotation mark": ('name: "x\n', "quotation"),
    "an unclosed bracket": ("data: {name: digits\n", "bracket|comma"),
    "a colon too many": ("data: name: digits\n", "colon"),
    "a percent sign": ("%\n", "c.yaml"),
    "an at sign": ("name: @x\n", "quotation"),
    "a backquote": ("name: `x`\n", "quotation"),
    "a block scalar of spaces": (f"name: |\n{' ' * 1000}\n", "c.yaml"),
    "a folded scalar": (f"name: >{'9' * 100}\n  x\n", "c.yaml"),
    "blanks of an exercise": ("name: ???\ndata: {name: ???}\nmodel: {kind: classifier, layers: [???]}\n", "c.yaml"),
    "a run's list of lines": ("a\r" * 1000, "c.yaml"),
    "carriage returns in a message": ("data: {name: dig\rits}\n", "c.yaml"),
    "HTML": ("<html><script>alert(1)</script></html>\n", "c.yaml"),
    "JSON of many brackets": ("[" * 100_000 + "]" * 99_999, "c.yaml"),
    "a shebang": ("#!/bin/sh\nrm -rf ~\n", "c.yaml"),
    "a pickle of text": ("cos\nsystem\n(S'touch hacked'\ntR.\n", "c.yaml"),
}
BYTES = {
    "latin-1": "name: größe\n".encode("latin-1"),
    "utf-16": CONFIG.encode("utf-16"),
    "utf-32": CONFIG.encode("utf-32"),
    "a lone continuation byte": b"name: \x80\n",
    "an overlong slash": b"name: ..\xc0\xaf..\xc0\xafetc\n",
    "an encoded surrogate": b"name: \xed\xa0\x80\n",
    "a pickle": b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
    "a zip file": b"PK\x03\x04" + bytes(200),
    "zeros": bytes(150_000),
    "gzip": b"\x1f\x8b\x08" + bytes(100),
}


def cases() -> Iterator[Case]:
    check = ("config", "check", "c.yaml")
    for name, (text, gist) in TEXTS.items():
        yield Case(name, check, gist, wrote("c.yaml", text))
    for name, content in BYTES.items():
        yield Case(name, check, "c.yaml", wrote("c.yaml", content))
    for tag in TAGS:
        yield Case(f"tag {tag[:40]}", check, "c.yaml", wrote("c.yaml", f"{CONFIG}seed: {tag}\n"))
        yield Case(f"tag of the data {tag[:40]}", check, "c.yaml", wrote("c.yaml", f"data: {tag}\n{CONFIG}"))
    for number, command in enumerate(
        (
            ("train",),
            ("config", "show"),
            ("config", "explain"),
            ("config", "diff", "c.yaml"),
            ("data", "show"),
            ("data", "check"),
            ("sweep",),
            ("exercise", "--blank", "seed"),
        )
    ):
        yield Case(f"{command[-1]} {number}", (*command, "c.yaml"), "c.yaml", wrote("c.yaml", LONG_BILLION))
        yield Case(
            f"{command[-1]} {number} deep", (*command, "c.yaml"), "c.yaml", wrote("c.yaml", f"a: {'[' * 10_000}")
        )
