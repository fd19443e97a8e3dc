"""Keras's files that carry code, lie about their layers, or are bombs."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

from tests.hostile.case import Case
from tests.hostile.families.arrays import zipped
from tests.hostile.inputs import write, wrote

DENSE = {
    "module": "keras.layers",
    "class_name": "Dense",
    "config": {"units": 3, "activation": "relu", "name": "dense"},
    "registered_name": None,
}
INPUT = {
    "module": "keras.layers",
    "class_name": "InputLayer",
    "config": {"batch_shape": [None, 4], "name": "input"},
    "registered_name": None,
}


def model(*layers: Any, **changes: Any) -> dict[str, Any]:
    return {
        "module": "keras",
        "class_name": "Sequential",
        "registered_name": None,
        "config": {"name": "net", "layers": [INPUT, *layers]},
        **changes,
    }


def layer(**changes: Any) -> dict[str, Any]:
    return {
        **DENSE,
        **{key: value for key, value in changes.items() if key != "config"},
        "config": {**DENSE["config"], **changes.get("config", {})},
    }


LAMBDA = {
    "module": "builtins",
    "class_name": "__lambda__",
    "config": {"code": "4wEAAAA=", "defaults": None, "closure": None},
}
MODELS: dict[str, Any] = {
    "a lambda layer": model(layer(class_name="Lambda", config={"function": LAMBDA})),
    "a lambda as activation": model(layer(config={"activation": LAMBDA})),
    "a function of os": model(
        layer(
            config={
                "activation": {
                    "module": "os",
                    "class_name": "function",
                    "config": "system",
                    "registered_name": "system",
                }
            }
        )
    ),
    "a class of os": model(layer(module="os", class_name="system")),
    "a class of subprocess": model(
        layer(module="subprocess", class_name="Popen", config={"args": ["touch", "hacked"]})
    ),
    "a class of a package": model(layer(module="evil.layers", class_name="Evil", registered_name="evil>Evil")),
    "an unknown layer": model(layer(class_name="Attention")),
    "a model in a model": model(model(DENSE)),
    "units of a terabyte": model(layer(config={"units": 10**12})),
    "units of text": model(layer(config={"units": "3"})),
    "negative units": model(layer(config={"units": -1})),
    "units that are nan": model(layer(config={"units": float("nan")})),
    "units of many digits": model(layer(config={"units": 10**4000})),
    "an unknown argument": model(layer(config={"evil": 1})),
    "an activation of escapes": model(layer(config={"activation": "\x1b[2J"})),
    "an activation by its path": model(layer(config={"activation": "os.system"})),
    "an initializer by its path": model(
        layer(config={"kernel_initializer": {"module": "os", "class_name": "system", "config": {}}})
    ),
    "a regularizer of text": model(layer(config={"kernel_regularizer": "os.system"})),
    "a name of escapes": model(layer(config={"name": "\x1b[2J"})),
    "a name that leaves": model(layer(config={"name": "../../x"})),
    "two layers of a name": model(DENSE, DENSE, layer(class_name="Foo")),
    "a functional model of a circle": {
        "module": "keras",
        "class_name": "Functional",
        "config": {
            "layers": [{**DENSE, "inbound_nodes": [[["dense", 0, 0, {}]]]}],
            "input_layers": [["dense", 0, 0]],
            "output_layers": [["dense", 0, 0]],
        },
    },
    "layers that are null": {**model(), "config": {"layers": None}},
    "layers that are a block": {**model(), "config": {"layers": {}}},
    "no layers": {**model(), "config": {"layers": []}},
    "no config": {"class_name": "Sequential"},
    "a config that is a list": {"class_name": "Sequential", "config": [1]},
    "a class that is a list": {"class_name": ["Sequential"], "config": {}},
    "a number": 3,
    "null": None,
    "a list": [1],
    "an unknown model": {"class_name": "Evil", "config": {}},
    "ten thousand layers": model(*[layer(config={"name": f"d{i}"}) for i in range(10_000)], layer(class_name="Foo")),
    "a batch of text": model({**INPUT, "config": {"batch_shape": "x"}}),
    "an input of no size": model({**INPUT, "config": {"batch_shape": [None, 0]}}, DENSE),
    "an input of a terabyte": model({**INPUT, "config": {"batch_shape": [None, 10**12]}}, DENSE),
    "an input of 99 axes": model({**INPUT, "config": {"batch_shape": [None] + [1] * 99}}, DENSE),
}
# What does not become a part of the config: names of layers, and inputs that a chain has beside its first.
READ = (
    "a model in a model",
    "a name of escapes",
    "a name that leaves",
    "an input of no size",
    "an input of a terabyte",
    "an input of 99 axes",
)


def _archive(content: Any, packed: int = zipfile.ZIP_DEFLATED, **members: bytes) -> bytes:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return zipped({"config.json": text, "metadata.json": b'{"keras_version": "3.15.1"}', **members}, packed)


SOUND = _archive(model(DENSE))
FILES: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "a pickle": lambda: b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.",
    "Keras's older format": lambda: b"\x89HDF\r\n\x1a\n" + bytes(500),
    "no config": lambda: zipped({"metadata.json": b"{}"}),
    "an empty config": lambda: _archive(b""),
    "deep lists": lambda: _archive(b"[" * 100_000),
    "deep blocks": lambda: _archive(b'{"a":' * 100_000),
    "a config of digits": lambda: _archive(b"9" * 10_000),
    "a config of 33 MB": lambda: _archive(b" " * 33_000_000),
    "a bomb": lambda: _archive(model(DENSE), **{"model.weights.h5": bytes(100_000_000)}),
    "an lzma archive": lambda: _archive(model(DENSE), zipfile.ZIP_LZMA),
    "weights that are none": lambda: _archive(model(DENSE), **{"model.weights.h5": b"x" * 100}),
    "names that leave": lambda: zipped({"../../config.json": b"{}"}),
    "bytes that are no text": lambda: _archive(b"\xff\xfe\x00"),
    "cut at the end": lambda: SOUND[:-20],
    "cut in the middle": lambda: SOUND[: len(SOUND) // 2],
    "a byte wrong": lambda: SOUND[:60] + b"\xff\xff\xff" + SOUND[63:],
    "a tensorflow graph": lambda: b"\x08\x01\x12" + bytes(500),
}


def cases() -> Iterator[Case]:
    convert = ("config", "from-keras", "net.keras")
    for what, content in MODELS.items():
        yield Case(
            what,
            convert,
            r"net\.keras",
            lambda content=content: write("net.keras", _archive(content)),
            0 if what in READ else 2,
        )
        yield Case(
            f"as text: {what}",
            ("config", "from-keras", "net.json"),
            r"net\.json",
            wrote("net.json", json.dumps(content)),
            0 if what in READ else 2,
        )
    for what, made in FILES.items():
        yield Case(
            f"file: {what}",
            (*convert, "--weights", "--out", "c.yaml"),
            r"net\.keras",
            lambda made=made: write("net.keras", made()),
        )
