"""A Keras model's JSON as a chain of layers with their arguments: a closed table, and everything else is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlphys.errors import UserError

MOST_LAYERS = 1000
DEEPEST = 10  # models in models
CHAINS = ("Sequential", "Functional", "Model")


@dataclass(frozen=True)
class KerasObject:
    """An object that Keras wrote: its class, its arguments, and how messages call it."""

    kind: str
    arguments: Mapping[str, Any]
    place: str


@dataclass(frozen=True)
class KerasLayer(KerasObject):
    """A layer; `weights` is the folder of its arrays in the HDF5 file, `part` the number of the outer model's layer."""

    weights: str
    part: int


def chain(value: Any, file: str) -> list[KerasLayer]:
    """The layers of a model from its input to its output, those of models in it among them.

    Raises UserError, with the layer, for classes of others, several inputs or outputs, branches, and layers used twice.
    """
    layers = list(_layers(keras_object(value, file, "the model"), file, "", None, 0))
    if not layers:
        raise UserError(f"{file}: has no layers")
    return layers


def keras_object(value: Any, file: str, what: str) -> KerasObject:
    """What a dict of class_name and config says. Raises UserError for classes that are not Keras's, and functions."""
    if not isinstance(value, dict) or not isinstance(value.get("class_name"), str):
        raise UserError(f"{file}: {what}: expected a class of Keras with its arguments; received {short(value)}")
    kind, arguments = value["class_name"], value.get("config", {})
    module, registered = value.get("module"), value.get("registered_name")
    name = arguments.get("name") if isinstance(arguments, dict) else None
    place = f"{file}: {kind}" + (f" ({short(name)})" if isinstance(name, str) else "")
    if kind in ("Lambda", "__lambda__"):
        raise UserError(f"{place}: is code, which is not read; write what it does with layers of Keras")
    if ">" in kind or registered not in (None, "", kind) or not _is_of_keras(module):
        of = registered or module or kind
        raise UserError(f"{place}: is a class of the author's ({short(of)}); only Keras's own layers are read")
    if isinstance(arguments, list) and kind == "Sequential":
        arguments = {"layers": arguments}
    if not isinstance(arguments, dict):
        raise UserError(f"{place}: its config is no object of arguments; write the file again with model.save")
    return KerasObject(kind, arguments, place)


def _is_of_keras(module: Any) -> bool:
    return module is None or (isinstance(module, str) and module.partition(".")[0] == "keras")


def _layers(model: KerasObject, file: str, folder: str, part: int | None, depth: int) -> Iterator[KerasLayer]:
    if model.kind not in CHAINS:
        raise UserError(f"{model.place}: is no Sequential or Functional model; only these are read")
    if depth > DEEPEST:
        raise UserError(f"{model.place}: models inside models, more than {DEEPEST} deep")
    written = model.arguments.get("layers")
    if not isinstance(written, list) or len(written) > MOST_LAYERS:
        raise UserError(f"{model.place}: expected a list of at most {MOST_LAYERS} layers; received {short(written)}")
    entries = [keras_object(entry, file, f"layer {i}") for i, entry in enumerate(written)]
    folders = _folders(entries, folder)
    order = range(len(written)) if model.kind == "Sequential" else _order(model, written)
    for i in order:
        entry, own = entries[i], i if part is None else part
        if entry.kind in CHAINS:
            yield from _layers(entry, file, folders[i], own, depth + 1)
        else:
            yield KerasLayer(entry.kind, entry.arguments, entry.place, f"{folders[i]}/vars", own)


def _folders(entries: Sequence[KerasObject], folder: str) -> list[str]:
    """Where Keras saves each layer: named after its class, with a number from the second on."""
    counts: dict[str, int] = {}
    folders = []
    for entry in entries:
        name = _snake_case(entry.kind)
        number = counts.get(name, 0)
        counts[name] = number + 1
        folders.append("/".join(filter(None, (folder, "layers", f"{name}_{number}" if number else name))))
    return folders


def _snake_case(name: str) -> str:
    """Keras's own rule, by which LeakyReLU is leaky_re_lu."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _order(model: KerasObject, written: Sequence[Any]) -> list[int]:
    """The layers of a functional model from its input to its output. Raises UserError unless they are one chain."""
    names = [_name(entry) for entry in written]
    before: dict[str, str] = {}
    for name, entry in zip(names, written, strict=True):
        calls = entry.get("inbound_nodes", [])
        if not isinstance(calls, list) or len(calls) > 1:
            raise UserError(f"{model.place}: its layer {short(name)} is used several times; only a chain is read")
        if calls:
            before[name] = _source(calls[0], model, name)
    starts = [name for name in names if name not in before]
    after = {source: name for name, source in before.items()}
    if len(starts) != 1 or len(set(names)) != len(names) or len(after) != len(before):
        raise UserError(f"{model.place}: has several inputs, or branches; only a chain of layers is read")
    ordered = [starts[0]]
    while ordered[-1] in after and len(ordered) <= len(names):
        ordered.append(after[ordered[-1]])
    outputs = _ends(model.arguments.get("output_layers"))
    if len(ordered) != len(names) or outputs != [ordered[-1]]:
        raise UserError(f"{model.place}: its output is not the end of one chain of all layers; only a chain is read")
    return [names.index(name) for name in ordered]


def _name(entry: Any) -> str:
    name = entry.get("name") or (entry.get("config") or {}).get("name")
    return name if isinstance(name, str) else ""


def _source(call: Any, model: KerasObject, name: str) -> str:
    """The layer whose output a call takes: a dict of arguments, before Keras 3 a list [name, node, tensor, words]."""
    where = f"{model.place}: its layer {short(name)}"
    if isinstance(call, list) and len(call) == 1 and isinstance(call[0], list) and len(call[0]) in (3, 4):
        call, words = call[0], call[0][3] if len(call[0]) == 4 else {}
        sources = [call[0]]
    elif isinstance(call, dict):
        words, args = call.get("kwargs") or {}, call.get("args")
        tensors = [args[0]] if isinstance(args, list) and len(args) == 1 else []
        sources = [_history(tensor) for tensor in tensors]
    else:
        sources, words = [], {}
    if len(sources) != 1 or not isinstance(sources[0], str):
        raise UserError(f"{where} takes several inputs, or others than one layer's output; only a chain is read")
    if not isinstance(words, dict) or any(words[key] for key in words):
        raise UserError(f"{where} is called with {short(words)}; only an input is read")
    return sources[0]


def _history(tensor: Any) -> Any:
    history = tensor.get("config", {}).get("keras_history") if isinstance(tensor, dict) else None
    return history[0] if isinstance(history, list) and history else None


def _ends(value: Any) -> list[Any]:
    """The names in `output_layers`: [name, 0, 0], or a list of such."""
    if isinstance(value, list) and value and isinstance(value[0], str):
        return [value[0]]
    return [end[0] for end in value if isinstance(end, list) and end] if isinstance(value, list) else []


def short(value: Any) -> str:
    """A value for a message: of an object of Keras its class."""
    if isinstance(value, dict) and isinstance(value.get("class_name"), str):
        value = value["class_name"]
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
