"""Every file of a run: missing, empty, cut, swapped, huge, lying, linked, a pipe, a folder, deep."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.hostile.case import Case
from tests.hostile.families.arrays import NPZ
from tests.hostile.families.configs_yaml import LONG_BILLION
from tests.hostile.inputs import a_run

RUN = Path("runs/small/1")
# What reads each file. `runs` and `check` go on without a run that is damaged, so they are tried beside.
READERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "config.yaml": (("plot", str(RUN)), ("config", "show", str(RUN)), ("resume", str(RUN))),
    "data.json": (("plot", str(RUN)), ("analyze", str(RUN))),
    "status.json": (("check", str(RUN)), ("resume", str(RUN))),
    "metrics.json": (("check", str(RUN)), ("compare", str(RUN), str(RUN))),
    "history.csv": (("plot", str(RUN), "--only", "learning_curves"),),
    "weights.safetensors": (("plot", str(RUN), "--only", "filters"),),
    "predictions_test.npz": (("plot", str(RUN), "--only", "confusion_matrix"),),
}
JSON = ("data.json", "status.json", "metrics.json")
MAY_CHANGE = ("runs/small/1/figures*", "runs/small/1/analysis*", "runs/small/1/report.html")


def _replaced(name: str, content: bytes) -> None:
    a_run()
    (RUN / name).write_bytes(content)


def _cut(name: str, share: float) -> None:
    a_run()
    content = (RUN / name).read_bytes()
    (RUN / name).write_bytes(content[: int(len(content) * share)])


def _swapped(name: str, other: str) -> None:
    a_run()
    shutil.copyfile(RUN / other, RUN / name)


def _made(name: str, make: Callable[[Path], object]) -> None:
    a_run()
    (RUN / name).unlink()
    make(RUN / name)


def _sparse(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(10**12)


MADE: dict[str, Callable[[Path], object]] = {
    "a link to a file elsewhere": lambda path: path.symlink_to("../../../../mine/thesis.txt"),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("nowhere/at/all"),
    "a link to a sound one": lambda path: _moved(path),
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a terabyte of nothing": _sparse,
}


def _moved(path: Path) -> None:
    from tests.hostile.inputs import run_template

    shutil.copyfile(run_template() / path.name, "beside")
    path.symlink_to("../../../beside")


CONTENTS = {
    "empty": b"",
    "zeros": bytes(5000),
    "a pickle": b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.",
    "latin-1": b"gr\xf6\xdfe\n",
    "escapes": b"\x1b[2J\x1b]0;x\x07\n",
}
TEXTS = {
    "no block": "[]",
    "null": "null",
    "a number": "3",
    "deep": "[" * 100_000,
    "deep blocks": '{"a":' * 100_000,
    "nan": "NaN",
    "a number of digits": "9" * 5000,
    "half of it": "{",
    "a key twice": '{"state": "done", "state": "running"}',
    "a surrogate": '{"state": "\\ud800"}',
    "a byte order mark": "\ufeff{}",
}
# Values that no training writes, at a key of a file.
VALUES: dict[str, Any] = {
    "null": None,
    "text": "x",
    "escapes": "\x1b[2J\u202e",
    "a list": [],
    "a block": {},
    "minus one": -1,
    "10^30": 10**30,
    "1e308": 1e308,
    "nan": float("nan"),
    "infinity": float("inf"),
    "true": True,
    "long": "x" * 100_000,
    "a fraction": 0.5,
}
KEYS = {
    "data.json": ("name", "shape", "classes", "samples", "splits", "splits.test.samples", "files", "target_shape"),
    "status.json": ("state", "epochs", "best_epoch", "stopped"),
    "metrics.json": ("test", "test.accuracy", "test.samples", "test.accuracy_stderr"),
}
# Numbers that such a key may have, or that another command looks at.
SOUND = {("status.json", "best_epoch", "null"), ("status.json", "stopped", "null")}


def _with_value(name: str, key: str, value: Any) -> None:
    a_run()
    content = json.loads((RUN / name).read_text())
    *path, last = key.split(".")
    block = content
    for part in path:
        block = block[part]
    block[last] = value
    (RUN / name).write_text(json.dumps(content))


def safetensors(header: Any, body: bytes = bytes(2600), length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def _tensor(shape: list[Any] = [64, 10], dtype: str = "F32", offsets: list[Any] = [0, 2560]) -> dict[str, Any]:  # noqa: B006
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


WEIGHTS = {
    "a header of 2^63": safetensors({}, length=2**63),
    "a header longer than the file": safetensors({}, length=10**6),
    "a header of deep brackets": safetensors(b"[" * 100_000),
    "a header that is no block": safetensors([1]),
    "no tensors": safetensors({}),
    "a claimed terabyte": safetensors({"x": _tensor([10**6, 10**6], offsets=[0, 4 * 10**12])}),
    "offsets beyond the file": safetensors({"x": _tensor(offsets=[0, 10**9])}),
    "offsets backwards": safetensors({"x": _tensor(offsets=[2560, 0])}),
    "offsets that overlap": safetensors({"x": _tensor(), "y": _tensor()}),
    "negative axes": safetensors({"x": _tensor([-64, -10])}),
    "axes that overflow": safetensors({"x": _tensor([2**32, 2**32])}),
    "an unknown type": safetensors({"x": _tensor(dtype="PICKLE")}),
    "a name of escapes": safetensors({"\x1b[2J": _tensor()}),
    "ten thousand names": safetensors({f"t{i}": _tensor([0], offsets=[0, 0]) for i in range(10_000)}),
}
HISTORIES = {
    "no names": "1,2,3\n",
    "unknown names": "a,b\n1,2\n",
    "a cell too few": "phase,epoch,loss\ntrain,1\n",
    "a cell too many": "phase,epoch,loss\ntrain,1,2,3\n",
    "infinity": "phase,epoch,loss\ntrain,1,inf\n",
    "words": "phase,epoch,loss\ntrain,1,x\n",
    "a negative epoch": "phase,epoch,loss\ntrain,-1,1\n",
    "a name twice": "phase,epoch,loss,loss\ntrain,1,1,1\n",
    "a quotation mark": 'phase,epoch,loss\n"train,1,1\n',
    "an escape": "phase,epoch,\x1b[2J\ntrain,1,1\n",
    "a cell of a megabyte": f"phase,epoch,loss\n{'x' * 10**6},1,1\n",
    "a null byte": "phase,epoch,loss\ntrain\0,1,1\n",
}


def _configs() -> dict[str, bytes]:
    return {
        "a billion laughs": LONG_BILLION.encode(),
        "a tag": b"name: !!python/object/apply:os.system [x]\n",
        "3 MB": b"# " + b"x" * 3_000_000 + b"\n",
    }


def _predictions(**changes: Any) -> bytes:
    labels = np.arange(20, dtype=np.int32) % 10
    sound = {
        "labels": labels,
        "probabilities": np.full((20, 10), 0.1, np.float32),
        "losses": np.full(20, 0.2, np.float32),
        "shown": np.arange(5, dtype=np.int32),
        "images": np.zeros((5, 8, 8, 1), np.float32),
    }
    content = io.BytesIO()
    np.savez(content, **{name: value for name, value in {**sound, **changes}.items() if value is not None})
    return content.getvalue()


PREDICTIONS: dict[str, dict[str, Any]] = {
    "labels beyond the classes": {"labels": np.full(20, 10**6, np.int32)},
    "negative labels": {"labels": np.full(20, -1, np.int32)},
    "labels of fractions": {"labels": np.full(20, 0.5, np.float32)},
    "nan": {"probabilities": np.full((20, 10), np.nan, np.float32)},
    "other classes": {"probabilities": np.zeros((20, 3), np.float32)},
    "no labels": {"labels": None},
    "an array too many": {"x": np.zeros(3)},
    "samples that are not there": {"shown": np.full(5, 10**6, np.int32)},
    "more shown than samples": {"shown": np.zeros(10**5, np.int32), "images": np.zeros((10**5, 8, 8, 1), np.float32)},
    "text": {"labels": np.full(20, "x")},
    "infinite images": {"images": np.full((5, 8, 8, 1), np.inf, np.float32)},
}


def cases() -> Iterator[Case]:
    for name, readers in READERS.items():
        for command in readers:
            for what, content in CONTENTS.items():
                yield _of(name, command, what, partial(_replaced, name, content))
            for share in (0.1, 0.5, 0.95):
                if name != "history.csv":
                    yield _of(
                        name,
                        command,
                        f"cut at {share:.0%}",
                        partial(_cut, name, share),
                        None if name == "config.yaml" else 2,
                    )
            for what, make in MADE.items():
                yield _of(name, command, what, partial(_made, name, make))
        for other in READERS:
            if other != name:
                yield _of(name, readers[0], f"swapped with {other}", partial(_swapped, name, other))
    for name in JSON:
        for what, text in TEXTS.items():
            yield _of(name, READERS[name][0], what, partial(_replaced, name, text.encode("utf-8", "surrogatepass")))
        for key in KEYS[name]:
            for what, value in VALUES.items():
                code = (
                    0
                    if (name, key, what) in SOUND
                    else None
                    if what in ("1e308", "a fraction", "long", "escapes", "text", "10^30", "a list", "a block", "null")
                    else 2
                )
                yield _of(name, READERS[name][0], f"{key} {what}", partial(_with_value, name, key, value), code)
    for what, content in WEIGHTS.items():
        yield _of(
            "weights.safetensors",
            READERS["weights.safetensors"][0],
            what,
            partial(_replaced, "weights.safetensors", content),
        )
    for what, text in HISTORIES.items():
        yield _of(
            "history.csv",
            READERS["history.csv"][0],
            what,
            partial(_replaced, "history.csv", text.encode()),
            None if what == "a null byte" else 2,
        )
    for what, arrays in PREDICTIONS.items():
        yield _of(
            "predictions_test.npz",
            READERS["predictions_test.npz"][0],
            what,
            partial(_replaced, "predictions_test.npz", _predictions(**arrays)),
        )
    for what, made in NPZ.items():
        yield _of(
            "predictions_test.npz",
            READERS["predictions_test.npz"][0],
            f"npz: {what}",
            lambda made=made: _replaced("predictions_test.npz", made()),
        )
    for what in ("a billion laughs", "a tag", "3 MB"):
        yield _of("config.yaml", READERS["config.yaml"][0], what, partial(_replaced, "config.yaml", _configs()[what]))
    for folder, verb in {"figures": "plot", "analysis": "analyze"}.items():
        for what in ("a link to a folder elsewhere", "a file", "a pipe"):
            yield _of(folder, (verb, str(RUN)), what, partial(_folder, folder, what), None)


def _folder(name: str, what: str) -> None:
    a_run()
    path = RUN / name
    shutil.rmtree(path, ignore_errors=True)
    if what == "a file":
        path.write_text("x")
    elif what == "a pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("../../../../mine")


def _of(name: str, command: tuple[str, ...], what: str, prepare: Callable[[], object], code: int | None = 2) -> Case:
    words = " ".join(command).replace(str(RUN), "").strip()
    return Case(f"{name} {what}: {words}", command, r"runs/small/1|belong to another|small", prepare, code, MAY_CHANGE)
