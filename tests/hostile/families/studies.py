"""Studies: study.json and its members, damaged, linked, lying."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tests.hostile.case import Case
from tests.hostile.families.runs import CONTENTS, MADE, TEXTS, VALUES
from tests.hostile.inputs import a_study

STUDY = Path("runs/many/1")
FILE = STUDY / "study.json"
COMMANDS = (("check", str(STUDY)), ("plot", str(STUDY)), ("resume", str(STUDY), "--workers", "0"))
KEYS = (
    "config",
    "grid",
    "seeds",
    "evaluated",
    "threads",
    "members",
    "executor",
    "search",
    "members.0",
    "members.0.directory",
    "members.0.state",
    "members.0.overrides",
    "members.0.number",
    "members.0.metrics",
    "members.0.labels",
)
CHANGES = ("runs/many/1/figures*", "runs/many/1/report.html", "runs/many/1/.update")
# Values that a study may have there, or that only some command looks at.
OF_NOTHING = ("name", "source")
DIRECTORIES = (
    "members/2",
    "../../../../mine",
    "/etc",
    "members/../members/1",
    "",
    "members/1/",
    "\x1b[2J",
    "members/٣",
    "n" * 5000,
)


def _with_value(key: str, value: Any) -> None:
    a_study()
    content = json.loads(FILE.read_text())
    *path, last = key.split(".")
    block = content
    for part in path:
        block = block[int(part) if part.isdigit() else part]
    block[int(last) if last.isdigit() else last] = value
    FILE.write_text(json.dumps(content))


def _replaced(content: bytes) -> None:
    a_study()
    FILE.write_bytes(content)


def _made(make: Callable[[Path], object]) -> None:
    a_study()
    FILE.unlink()
    make(FILE)


def _member(what: str) -> None:
    a_study()
    member = STUDY / "members/1"
    shutil.rmtree(member)
    match what:
        case "a link elsewhere":
            member.symlink_to("../../../../../mine")
        case "a link to a member":
            member.symlink_to("2")
        case "a file":
            member.write_text("x")
        case "a pipe":
            os.mkfifo(member)


def _members_linked() -> None:
    a_study()
    (STUDY / "members").rename("elsewhere")
    (STUDY / "members").symlink_to("../../../elsewhere")


def cases() -> Iterator[Case]:
    for command in COMMANDS:
        for what, content in CONTENTS.items():
            yield _of(command, what, partial(_replaced, content))
        for what, make in MADE.items():
            if what != "a link to a sound one":
                yield _of(command, what, partial(_made, make))
    for what, text in TEXTS.items():
        yield _of(COMMANDS[0], what, partial(_replaced, text.encode("utf-8", "surrogatepass")))
    for key in KEYS:
        for what, value in VALUES.items():
            yield _of(COMMANDS[0], f"{key} {what}", partial(_with_value, key, value), None)
    for directory in DIRECTORIES:
        yield _of(
            COMMANDS[0], f"a member in {directory[:20]!r}", partial(_with_value, "members.0.directory", directory)
        )
    for what in ("gone", "a link elsewhere", "a link to a member", "a file", "a pipe"):
        for command in (
            ("check", str(STUDY)),
            ("plot", str(STUDY)),
            ("compare", str(STUDY), str(STUDY)),
            ("report", str(STUDY)),
        ):
            yield _of(command, f"a member is {what}", partial(_member, what), None)
    for command in (
        ("check", str(STUDY)),
        ("compare", str(STUDY), str(STUDY)),
        ("report", str(STUDY)),
        ("runs", "--members"),
    ):
        yield _of(command, "its members are a link", _members_linked, None)


def _of(command: tuple[str, ...], what: str, prepare: Callable[[], object], code: int | None = 2) -> Case:
    words = " ".join(command).replace(str(STUDY), "").strip()
    return Case(f"{what}: {words}", command, r"runs/many/1|many|no such run", prepare, code, CHANGES)
