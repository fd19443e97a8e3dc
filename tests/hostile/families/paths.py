"""Paths that are no files, lead round in circles, or cannot be: for each command that takes one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tests.hostile.case import Case
from tests.hostile.inputs import CONFIG, PCA, a_run, wrote

PATHS = {
    "an unknown home": "~nobody_of_this_name/x",
    "a long name": "n" * 300,
    "a long path": "n/" * 3000,
    "a link to itself": "loop",
    "below a link to itself": "loop/x",
    "below a file": "right.yaml/x",
    "a pipe": "pipe",
    "a device": "/dev/zero",
    "a terminal": "/dev/tty",
    "a socket": "socket",
    "bytes that are no text": os.fsdecode(b"caf\xe9"),
    "an escape": "\x1b[31m\u202e",
    "a folder": "folder",
    "memory of this process": "/proc/self/mem",
    "a link to a folder above": "up",
    "a link to nothing": "nowhere",
    "an empty file": "empty",
    "a sparse file of a terabyte": "sparse",
}
OF_CONFIGS = (
    ("config", "check"),
    ("config", "show"),
    ("train",),
    ("sweep",),
    ("data", "check"),
    ("exercise", "--blank", "seed"),
)
OF_RUNS = (("plot",), ("evaluate",), ("check",), ("resume",), ("report",), ("runs",), ("compare", "runs/small/1"))
OF_DATA = (("new", "--data"), ("config", "from-keras"))
DATASETS = ("table", "array", "image_folder", "image_function")


def _paths() -> None:
    import socket

    wrote("right.yaml", CONFIG)()
    Path("empty").touch()
    Path("loop").symlink_to("loop")
    Path("up").symlink_to("..")
    Path("nowhere").symlink_to("nothing/there")
    Path("folder").mkdir()
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind("socket")
    with open("sparse", "wb") as file:
        file.truncate(10**12)
    a_run()


def cases() -> Iterator[Case]:
    for what, path in PATHS.items():
        for command in OF_CONFIGS + OF_RUNS + OF_DATA:
            if (command, what) == (("check",), "a link to a folder above"):  # whose runs it lists: a path may be a link
                yield Case(f"check: {what}", (*command, path), "", _paths, code=0)
            elif (command, what) not in (
                (("runs",), "a folder"),
                (("runs",), "a link to a folder above"),
            ):
                yield Case(f"{' '.join(command)}: {what}", (*command, path), "", _paths)
        for dataset in DATASETS:
            text = f"data: {{name: {dataset}, path: {_quoted(path)}}}\n{PCA}"
            prepare = wrote("c.yaml", text)

            def both(prepare=prepare) -> None:
                _paths()
                prepare()

            yield Case(
                f"data of {dataset}: {what}",
                ("config", "check", "c.yaml"),
                r"c\.yaml|/here/|/dev/|/proc/|home folder",
                both,
            )
    for what in (
        "a long name",
        "a link to itself",
        "below a file",
        "a pipe",
        "an unknown home",
        "an escape",
        "a long path",
    ):
        yield Case(f"a copy to {what}", ("config", "copy", "conv_digits", "--to", PATHS[what]), "", _paths)
        for variable in ("MLPHYS_DATA", "KERAS_HOME") if what != "an escape" else ():  # a folder: fetch downloads
            others = {"KERAS_HOME": "right.yaml", "MLPHYS_DATA": ""}
            command = ("data", "fetch", "fashion_mnist")
            yield Case(f"{variable} is {what}", command, "", _paths, variables={**others, variable: PATHS[what]})
    for what in ("a long name", "below a link to itself", "below a file", "a pipe", "a long path", "an empty file"):
        for command in (
            ("plot", "runs/small/1"),
            ("config", "from-keras", "right.yaml", "--out"),
            ("new", "--out"),
            ("exercise", "right.yaml", "--blank", "seed", "--out"),
            ("train", "right.yaml", "--out"),
            ("sweep", "right.yaml", "--grid", "seed=[1,2]", "--out"),
            ("data", "show", "right.yaml", "--out"),
        ):
            if command[0] != "plot":
                yield Case(f"{command[0]} {command[-1]} {what}", (*command, PATHS[what]), "", _paths)


def _quoted(path: str) -> str:
    escaped = "".join(f"\\u{ord(sign):04x}" if not sign.isascii() or sign < " " else sign for sign in path)
    return f'"{escaped}"'
