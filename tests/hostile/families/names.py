"""Names that lead out of a folder, steer a terminal, or are the names of devices."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from tests.hostile.case import Case
from tests.hostile.inputs import CONFIG, a_run, wrote

NAMES = {
    "the parent": "..",
    "this folder": ".",
    "a path up": "../../x",
    "an absolute path": "/etc/x",
    "the root": "/",
    "a hidden one": ".hidden",
    "a dash first": "-rf",
    "an option": "--out=x",
    "a backslash": "a\\\\b",
    "a home": "~/x",
    "a variable": "$HOME",
    "a command": "$(id)",
    "backquotes": "`id`",
    "a pipe": "a|b",
    "a star": "*",
    "a null": "a\\0b",
    "a line break": "a\\nb",
    "a carriage return": "a\\rb",
    "an escape": "\\e[2J",
    "a title": "\\e]0;x\\a",
    "a bell": "\\a",
    "a direction override": "a\\u202eb",
    "a zero width": "a\\u200bb",
    "a byte order mark": "\\ufeffa",
    "a surrogate pair": "😀",
    "spaces": " a ",
    "nothing": "",
    "a dot at the end": "a/.",
    "a long one": "n" * 300,
    "of 100,000": "n" * 100_000,
    "markup": "<script>",
    "a full-width dot": "．．/x",
    "a homoglyph": "small\u0430",
    "a percent": "%2e%2e%2f",
    "Windows": "C:\\\\x",
    "a tab": "a\\tb",
}
ARGUMENTS = {
    "an escape": "\x1b[2J",
    "a direction override": "a\u202eb",
    "a byte that is no text": "caf\udce9",
    "a long one": "n" * 5000,
    "of 100,000": "n" * 100_000,
    "a line break": "a\nb",
    "markup": "<script>",
    "a carriage return": "a\rb",
    "a C1 sign": "\x9b2J",
    "a bell": "\a",
    "a line separator": "a\u2028b",
    "nothing": "",
    "digits": "9" * 5000,
    "Arabic digits": "\u0663",
}
TAKING_NAMES = (
    ("config", "check"),
    ("config", "show"),
    ("config", "explain"),
    ("config", "copy"),
    ("config", "from-keras"),
    ("train",),
    ("sweep",),
    ("resume",),
    ("evaluate",),
    ("plot",),
    ("plot-filters",),
    ("analyze",),
    ("report",),
    ("check",),
    ("explain",),
    ("list",),
    ("data", "fetch"),
    ("data", "show"),
    ("data", "check"),
    ("runs",),
    ("serve",),
    ("export", "--format", "onnx"),
    ("completion", "show"),
    (),
    ("config",),
    ("data",),
    ("exercise", "--blank", "seed"),
    ("compare", "x"),
    ("predict", "x"),
    ("config", "diff", "x"),
)
OPTIONS = (
    ("train", "c.yaml", "--seed"),
    ("train", "c.yaml", "--threads"),
    ("train", "c.yaml", "--seeds"),
    ("train", "c.yaml", "--workers"),
    ("train", "c.yaml", "--ray"),
    ("train", "c.yaml", "--gpus"),
    ("evaluate", "--split"),
    ("evaluate", "--noise"),
    ("evaluate", "--shift"),
    ("plot", "--only"),
    ("plot", "--format"),
    ("plot", "--width"),
    ("plot", "--style"),
    ("analyze", "--only"),
    ("export", "--format"),
    ("export", "--part"),
    ("compare", "x", "y", "--metric"),
    ("compare", "x", "y", "--format"),
    ("serve", "--port"),
    ("serve", "--host"),
    ("sweep", "c.yaml", "--shard"),
    ("sweep", "c.yaml", "--search"),
    ("new", "--task"),
    ("new", "--target"),
    ("new", "--data"),
    ("exercise", "c.yaml", "--blank"),
    ("check", "--against"),
    ("exercise", "c.yaml", "--blank", "seed", "--range-from"),
)


OF_COMMANDS = ("an escape", "a byte that is no text", "of 100,000", "nothing", "digits")
OF_OPTIONS = ("a direction override", "of 100,000", "a carriage return")


def cases() -> Iterator[Case]:
    for what, name in NAMES.items():
        text = CONFIG.replace("name: small", f'name: "{name}"')
        for command in (("config", "check"), ("train",)):
            yield Case(
                f"{command[0]} of a config called {what}", (*command, "c.yaml"), r"c\.yaml", wrote("c.yaml", text)
            )
    for what, name in NAMES.items():
        if what != "a null":
            yield Case(f"a copy called {what}", ("config", "copy", "conv_digits", "--name", _unescaped(name)), "name")
    for what in OF_COMMANDS:
        for words in TAKING_NAMES:
            if what != "nothing" or words not in (("runs",), ("serve",)):  # their folder is then this one
                yield Case(f"{' '.join(words)} {what}", (*words, ARGUMENTS[what]), "", wrote("c.yaml", CONFIG))
    for what in OF_OPTIONS:
        for words in OPTIONS:
            yield Case(f"{' '.join(words)} {what}", (*words, ARGUMENTS[what]), "", _sound)


def _sound() -> None:
    wrote("c.yaml", CONFIG)()
    a_run()


def _unescaped(name: str) -> str:
    return str(yaml.safe_load(f'"{name}"'))
