"""Safe YAML that records the line of each key."""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mlphys.errors import UserError
from mlphys.terminal import printable

KeyPath = tuple[str | int, ...]

BLANK = "???"  # a value of an exercise that is to be filled in
# Inside brackets YAML reads a question mark as the begin of a key.
BARE_BLANK = re.compile(r"(?<![^\s\[{,:])\?\?\?(?![^\s,\]}])")
LARGEST_FILE = 200_000  # bytes; enough for a thousand layers
DEEPEST = 40

# The scalars of YAML 1.2: 1e-3 is a number, `no` is text (PyYAML alone follows YAML 1.1).
INTEGER = re.compile(r"[-+]?[0-9]+$")
NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)$")
NOT_A_NUMBER = re.compile(r"\.(nan|NaN|NAN)$")
CONSTANTS = {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    "null": None, "Null": None, "NULL": None, "~": None, "": None,
}  # fmt: skip

RESOLVER = yaml.resolver.Resolver()
NODES = {yaml.SequenceStartEvent: yaml.SequenceNode, yaml.MappingStartEvent: yaml.MappingNode}
FAST_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's parser, which most builds of PyYAML have
LONG = 1_000  # characters; PyYAML's own parser takes a hundredth of a second for them, libyaml's a tenth of that

# PyYAML's messages describe its parser; these give the remedy.
IN_WORDS = {
    "mapping values are not allowed here": "a second colon in one line, or the wrong indentation",
    "expected <block end>": "the indentation does not fit the lines above",
    "expected ',' or": "a comma is missing, or a bracket is not closed",
    "could not find expected ':'": "expected a key and a colon, such as `epochs: 30`",
    "found unexpected end of stream": "a quotation mark is not closed",
    "found character": "put text that begins with this character in quotation marks",
    "but found another document": "a second document begins; one file is one experiment",
}


@dataclass(frozen=True)
class Document:
    """Plain dicts, lists and scalars, with the file and line (or override) of each key."""

    data: Any
    name: str
    places: dict[KeyPath, str]
    overrides: dict[KeyPath, str] = field(default_factory=dict)

    def place(self, path: KeyPath) -> str:
        """`file:line` of the key path, or of the nearest enclosing key that is present.

        The place of a block that an override changed is the override.
        """
        for changed, at in self.overrides.items():
            if path and changed[: len(path)] == path:
                return at
        for length in range(len(path), -1, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return self.name

    def with_value(self, path: KeyPath, value: Any, place: str) -> Document:
        """A copy with `value` at `path`, whose source is `place`."""
        places = {known: at for known, at in self.places.items() if known[: len(path)] != path}
        overrides = {**self.overrides, path: place}
        return Document(_replaced(self.data, path, value), self.name, {**places, path: place}, overrides)


def read(path: Path) -> Document:
    """Read a YAML file.

    Raises UserError for a file that is missing, a folder, unreadable, too large or not YAML.
    """
    return decoded(_content(path), str(path))


def _content(path: Path) -> bytes:
    no_file = UserError(f"{path}: is not a regular file; copy its content into one")
    try:
        # A device is not even opened: that alone can do something.
        if not stat.S_ISDIR(mode := os.stat(path).st_mode) and not stat.S_ISREG(mode):
            raise no_file
        # Without waiting: to open a pipe that nobody writes to would never end.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise no_file
            content: bytes | None = file.read(LARGEST_FILE + 1)
            if content is None:  # a file of the kernel's that would have to be waited for
                raise no_file
            return content
    except IsADirectoryError:
        raise UserError(f"{path}: is a folder; name the YAML file of one experiment in it") from None
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; `mlphys list configs` names the shipped configs") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # NUL in its name
        raise UserError(f"{path}: cannot be read: {error}") from None


def decoded(content: bytes, name: str, largest: int = LARGEST_FILE) -> Document:
    """Parse the content of a YAML file; `name` is what messages call it. Raises UserError, as `read` does."""
    if len(content) > largest:
        raise UserError(f"{name}: larger than {largest} bytes, so not the config of an experiment")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: not a text file in UTF-8 (byte {error.start})") from None
    return parse(text, name)


def parse(text: str, name: str) -> Document:
    """Parse YAML text; `name` is its source in messages."""
    try:
        return _document(yaml.parse(text, Loader=FAST_LOADER if len(text) > LONG else yaml.SafeLoader), name)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        if (quoted := BARE_BLANK.sub(f'"{BLANK}"', text)) != text:
            return parse(quoted, name)
        raise UserError(_message_in_python(text, name) or _syntax_message(text, name, error)) from None


def _message_in_python(text: str, name: str) -> str:
    """Why PyYAML's own parser, whose messages are better, refuses a text; empty if it is large, or accepted."""
    if len(text) > LARGEST_FILE:
        return ""
    try:
        for _ in yaml.parse(text, Loader=yaml.SafeLoader):
            pass
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        return _syntax_message(text, name, error)
    return ""


def _document(events: Iterator[Any], name: str) -> Document:
    """The only document of a stream."""
    places: dict[KeyPath, str] = {}
    data = None
    documents = 0
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                mark: Any = event.start_mark  # of libyaml or of Python's reader
                raise yaml.MarkedYAMLError(problem="but found another document", problem_mark=mark)
            data = _value(events, next(events), (), name, places)
    return Document(data, name, places)


def _value(events: Iterator[Any], event: Any, path: KeyPath, name: str, places: dict[KeyPath, str]) -> Any:
    """The value that begins with `event`; the rest of it is read from `events`."""
    place = f"{name}:{event.start_mark.line + 1}"
    where = f"{place}: {dotted(path)}: " if path else f"{place}: "
    if isinstance(event, yaml.AliasEvent):  # with aliases a few lines could expand to more than fits in memory
        raise UserError(f"{where}YAML aliases (*name) are not supported; write the value out")
    if len(path) > DEEPEST:
        raise UserError(f"{where}nested deeper than {DEEPEST} levels")
    places.setdefault(path, place)
    _refuse_tag(event, where)
    if isinstance(event, yaml.SequenceStartEvent):
        return _sequence(events, path, name, places)
    if isinstance(event, yaml.MappingStartEvent):
        return _mapping(events, path, name, places)
    return _scalar(event, where)


def _refuse_tag(event: Any, where: str) -> None:
    """Raise UserError for a tag, unless it says what the value is without it."""
    if event.tag is None:
        return
    kind = next((node for start, node in NODES.items() if isinstance(event, start)), yaml.ScalarNode)
    value = event.value if kind is yaml.ScalarNode else None
    plain = kind is not yaml.ScalarNode or not event.style
    tag = RESOLVER.resolve(kind, value, (False, True)) if event.tag == "!" else event.tag
    if tag != RESOLVER.resolve(kind, value, (plain, not plain)):
        shown = tag.replace("tag:yaml.org,2002:", "!!")
        raise UserError(f"{where}the YAML tag {shown} is not supported; write a plain value")


def _sequence(events: Iterator[Any], path: KeyPath, name: str, places: dict[KeyPath, str]) -> list[Any]:
    result: list[Any] = []
    while not isinstance(event := next(events), yaml.SequenceEndEvent):
        result.append(_value(events, event, (*path, len(result)), name, places))
    return result


def _mapping(events: Iterator[Any], path: KeyPath, name: str, places: dict[KeyPath, str]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        line = event.start_mark.line + 1
        if not isinstance(event, yaml.ScalarEvent):
            raise UserError(f"{name}:{line}: a key must be a plain word; received a list or a block")
        key = event.value
        if printable(key) != key:
            raise UserError(f"{name}:{line}: a key must be a plain word; received {key!r}")
        if key in result:
            first = places[(*path, key)].rsplit(":", 1)[-1]
            where = f"{name}:{line}: {dotted((*path, key))}"
            raise UserError(f"{where}: the key appears twice, first on line {first}; remove one")
        places[(*path, key)] = f"{name}:{line}"
        result[key] = _value(events, next(events), (*path, key), name, places)
    return result


def _scalar(event: Any, where: str) -> Any:
    text = event.value
    if event.style:  # quoted or a block: always text
        return text
    if text in CONSTANTS:
        return CONSTANTS[text]
    if INTEGER.match(text):
        if len(text) > 20:
            raise UserError(f"{where}a number of {len(text)} digits")
        return int(text)
    if NUMBER.match(text):
        return float(text)
    if INFINITE.match(text):
        return -math.inf if text.startswith("-") else math.inf
    return math.nan if NOT_A_NUMBER.match(text) else text


def _syntax_message(text: str, name: str, error: Exception) -> str:
    if not isinstance(error, yaml.YAMLError):  # a version of thousands of digits, a character beyond Unicode
        return (
            f"{name}: not readable as YAML: the number of a %YAML version, or of a character such as \\U0001F600, "
            "is too large"
        )
    if not isinstance(error, yaml.MarkedYAMLError):
        return f"{name}: not readable as YAML: {str(error).splitlines()[0]}"
    mark = error.problem_mark or error.context_mark
    line = mark.line if mark else 0
    lines = text.splitlines()
    shown = lines[line] if line < len(lines) else ""
    problem = error.problem or error.context or "not readable"
    if "\t" in shown[: len(shown) - len(shown.lstrip())]:
        return f"{name}:{line + 1}: a tab in the indentation; YAML allows spaces only, two for each level"
    if "'\\t'" in problem:
        return f"{name}:{line + 1}: a tab between the words; write spaces instead"
    for number, above in [*enumerate(lines[: line + 1], 1)][-2:]:  # the one before it may have swallowed it
        if glued := re.fullmatch(r"\s*(?:- )?([a-z_]+):(\S+)\s*", above):
            remedy = f"write {glued[1]}: {glued[2]}"
            return f"{name}:{number}: not readable as YAML: a space is missing after the colon; {remedy}"
    problem = next((words for start, words in IN_WORDS.items() if problem.startswith(start)), problem)
    near = f"; received {shown.strip()!r}" if shown.strip() else ""
    return f"{name}:{line + 1}: not readable as YAML: {problem}{near}"


def _replaced(data: Any, path: KeyPath, value: Any) -> Any:
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(data, list) and isinstance(head, int):
        return [_replaced(item, rest, value) if i == head else item for i, item in enumerate(data)]
    known = data if isinstance(data, dict) else {}
    return {**known, str(head): _replaced(known.get(str(head)), rest, value)}


def dotted(path: KeyPath) -> str:
    """`("model", "layers", 0)` as `model.layers.0`."""
    return ".".join(str(part) for part in path)


class _Dumper(yaml.SafeDumper):
    """Dumper matching `parse`: text that looks like a YAML 1.2 number is quoted."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    kinds = (INTEGER, NUMBER, INFINITE, NOT_A_NUMBER)
    looks_like_more = value in CONSTANTS or any(kind.match(value) for kind in kinds)
    style = "'" if looks_like_more else None if value.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _represent_list(dumper: yaml.SafeDumper, value: Any) -> yaml.Node:
    plain = not any(isinstance(item, dict) for item in value)
    return dumper.represent_sequence(
        "tag:yaml.org,2002:seq", list(value), flow_style=plain or bool(dumper.default_flow_style)
    )


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(tuple, _represent_list)
_Dumper.add_representer(list, _represent_list)


def dump(data: Any) -> str:
    """Plain data as YAML, in its order."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True, default_flow_style=False)


def flow(data: Any) -> str:
    """Plain data on one line, as for `--set`."""
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=1_000_000, default_flow_style=True)
    return text.removesuffix("\n").removesuffix("\n...")
