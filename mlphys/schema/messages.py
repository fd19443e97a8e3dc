"""Error messages for configs, with remedies."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from mlphys.errors import Refusal, UserError
from mlphys.schema.document import Document, KeyPath, dotted

MOST_SHOWN = 10

# Common habits, and the right key.
SLIPS = {
    "lr": "write learning_rate",
    "learning_rate": "it belongs to the optimizer: {Adam: {learning_rate: ...}}",
    "optimizer": "it belongs into the block training",
    "loss": "it belongs into the block training",
    "batch_size": "it belongs into the block training",
    "epochs": "it belongs into the block training",
    "early_stopping": "it belongs into the block training",
    "layers": "it belongs into the block model",
    "decay": "write a schedule for learning_rate, such as {ExponentialDecay: {...}}",
    "val_loss": "write validation_loss",
    "val_accuracy": "write validation_accuracy",
    "val_acc": "write validation_accuracy",
    "acc": "write accuracy",
    "val": "write validation",
    "categorical_accuracy": "write accuracy",
    "sparse_categorical_accuracy": "write accuracy",
    "input_shape": "leave it out: the input's shape comes from the data",
    "input_dim": "leave it out: the input's shape comes from the data",
    "data_format": "leave it out: the channels come last, always",
    "name": "leave it out: a layer is named by its place in the list",
    "seed": "leave it out: the experiment's seed decides every random number",
    "metrics": "leave it out: every metric that fits the model is recorded",
    "callbacks": "leave it out; early stopping is the key early_stopping, checkpoints are always written",
    "validation_split": "write the size of the split as data.validation",
    "nb_epoch": "write epochs",
    "epoch": "write epochs",
    "dtype": "leave it out: everything is computed in float32",
    "restore_best_weights": "leave it out: with early stopping the best epoch's weights are kept",
    "crossentropy": "write categorical_crossentropy",
    "cross_entropy": "write categorical_crossentropy",
    "mse": "write mean_squared_error",
    "mae": "write mean_absolute_error",
    "sparse_categorical_crossentropy": "write categorical_crossentropy: the labels are made one-hot",
    "from_logits": "leave it out, and end the layers with activation: softmax",
    "dropout": "write a layer of its own, Dropout: {rate: ...}",
    "normal": "write RandomNormal",
    "uniform": "write RandomUniform",
    "xavier": "write GlorotUniform",
    "MaxPool2D": "write MaxPooling2D",
    "MaxPool1D": "write MaxPooling1D",
    "AvgPool2D": "write AveragePooling2D",
    "AvgPool1D": "write AveragePooling1D",
    "Convolution1D": "write Conv1D",
    "Convolution1DTranspose": "write Conv1DTranspose",
    "Convolution2D": "write Conv2D",
    "GlobalAvgPool1D": "write GlobalAveragePooling1D",
    "GlobalAvgPool2D": "write GlobalAveragePooling2D",
    "GlobalMaxPool1D": "write GlobalMaxPooling1D",
    "GlobalMaxPool2D": "write GlobalMaxPooling2D",
    "InputLayer": "leave it out: the input's shape comes from the data",
    "Input": "leave it out: the input's shape comes from the data",
    "Lambda": "there is no layer for own code: a config is data and cannot run any",
    "groups": "leave it out: grouped convolutions cannot be trained on a CPU",
    "kernel_constraint": "leave it out: constraints are not supported",
}

OTHER_WORDS = {"yes": "true", "on": "true", "no": "false", "off": "false"}  # YAML 1.1 knew them


def complain(problems: Iterable[Refusal], document: Document) -> UserError:
    """All problems as one error, one line each: `file:line: key.path: text`."""
    lines = []
    for problem in problems:
        key = f" {dotted(problem.path)}:" if problem.path else ""
        lines.append(f"{document.place(problem.path)}:{key} {problem.text}")
    hidden = len(lines) - MOST_SHOWN
    if hidden > 0:
        lines = [*lines[:MOST_SHOWN], f"... and {hidden} more"]
    return UserError("\n".join(lines))


def problems_of(error: ValidationError) -> list[Refusal]:
    """pydantic's errors in our wording, each key once."""
    found: dict[KeyPath, Refusal] = {}
    for item in error.errors(include_url=False):
        path = tuple(item["loc"])
        if item["type"] == "too_short" and len(item["input"]) >= item["ctx"]["min_length"]:
            continue  # its entries are reported themselves
        found.setdefault(path, Refusal(path, _text(item["type"], item.get("ctx") or {}, item["input"], path)))
    return list(found.values())


def require_known(noun: str, received: Sequence[str], allowed: Sequence[str]) -> None:
    """Raise UserError for a name that is not among those allowed."""
    for name in received:
        if name not in allowed:
            hint = suggestion(name, allowed)
            raise UserError(f"unknown {noun}; received {quoted(name)}; allowed {', '.join(allowed)}{hint}")


def suggestion(wrong: Any, allowed: Iterable[str]) -> str:
    """`; did you mean X?`, the hint for a known mistake, or nothing."""
    if not isinstance(wrong, str) or not wrong:
        return ""
    by_lower = {name.lower(): name for name in allowed}
    if wrong in SLIPS and wrong.lower() not in by_lower:
        return f"; {SLIPS[wrong]}"
    if wrong.endswith(")"):
        return "; YAML has no (2, 3); write [2, 3]"
    near = difflib.get_close_matches(wrong.lower(), by_lower, n=1, cutoff=0.6)
    near = near or [name for name in by_lower if name.startswith(wrong.lower())]
    return f"; did you mean {by_lower[near[0]]}?" if near else ""


def choice(wrong: Any, allowed: Sequence[str]) -> str:
    """The allowed values, the most similar first; long lists are shortened."""
    hint, names = suggestion(wrong, allowed), ", ".join(allowed)
    if hint:
        return f"{hint} (allowed: {names})" if names else hint
    return f"; allowed {names or 'no keys here'}"


def quoted(value: Any) -> str:
    """A received value as short YAML text."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a block of keys" if value else "an empty block"
    if isinstance(value, list | tuple) and len(value) > 6:
        return f"a list of {len(value)}"
    if isinstance(value, tuple):
        value = list(value)
    text = f"text {value[:60]!r}" if isinstance(value, str) else f"{value}"
    return text if len(text) <= 60 else text[:57] + "..."


def _text(kind: str, context: dict[str, Any], received: Any, path: KeyPath) -> str:
    got = f"; received {quoted(received)}"
    match kind:
        case "unknown_key":
            return f"unknown key{choice(context['key'], context['allowed'])}"
        case "unknown_name":
            problem = "unknown" if isinstance(received, str) else "expected one"
            return f"{problem} {context['noun']}{got}{choice(received, context['allowed'])}"
        case "no_name":
            near = difflib.get_close_matches(str(path[-1]), context["keys"], n=1)
            hint = f"; write {path[-1]} instead of {near[0]}" if near else ""
            return f"missing; say which {context['noun']}: {', '.join(context['allowed'])}{hint}"
        case "one_name":
            return f"expected one {context['noun']}{_one_of(received, context)}"
        case "arguments":
            name, key = context["name"], context["key"]
            value = received if isinstance(received, str) else quoted(received)
            return f"expected a block of keys{got}; write {f'{name}: {{{key}: {value}}}' if key else name}"
        case "block":
            return f"expected a {context['noun']} such as {context['example']}{got}"
        case "keys":
            return f"expected a block of keys{got}; allowed {', '.join(context['allowed'])}"
        case "name":
            return f"expected 1 to 100 letters, digits, '.', '-', '_', first a letter or digit: it names a folder{got}"
        case "range":
            return f"expected a range such as [0.985, 0.993], the smaller number first{got}"
        case "remark":
            return f"expected text, a number, true or false{got}"
        case "learning_rate":
            return f"expected a number above 0, or a schedule by name{got}"
        case "two_directions":
            return f"expected a whole number, or two for rows and columns such as [3, 3]{got}{_habit(received)}"
        case "border":
            forms = "a whole number, [rows, columns] or [[top, bottom], [left, right]]"
            return f"expected {forms}{got}{_habit(received)}"
        case "border_of_sequence":
            return f"expected a whole number, or two such as [before, after]{got}{_habit(received)}"
        case "size":
            return f"expected a count of samples, or a fraction between 0 and 1{got}{_habit(received)}"
        case "components":
            return f"expected a number of components, or a fraction of the variance below 1{got}{_habit(received)}"
        case "class_weight":
            return f"expected balanced, or a weight of at least 0 for each class{got}"
        case "matrix":
            return f"expected rows of as many numbers each, up to 1e6, such as [[1, -2, 1]]{got}"
        case "side":
            return f"a kernel has at most {context['most']} rows and columns{got}"
        case "sizes":
            return "expected kernels of the same size; received different ones"
        case "batch_size":
            return f"expected a whole number of at least 1, or all{got}{_habit(received)}"
        case "missing":
            return "missing; this key must be given"
        case "literal_error":
            expected = context["expected"].replace("'", "").replace(" or ", ", ").split(", ")
            return f"unknown value{got}{choice(received, expected)}"
        case "int_type" | "int_parsing" | "int_from_float":
            return f"expected a whole number{got}{_habit(received)}"
        case "float_type" | "float_parsing":
            return f"expected a number{got}{_habit(received)}"
        case "finite_number":
            return f"expected a finite number{got}"
        case "beyond_float32":
            return f"must lie between -{context['largest']:g} and {context['largest']:g}: computed in float32{got}"
        case "bool_type" | "bool_parsing":
            return f"expected true or false{got}{_habit(received)}"
        case "string_type":
            return f"expected text{got}"
        case "tuple_type" | "list_type":
            return f"expected a list{got}{f'; write [{received}]' if isinstance(received, str) else ''}"
        case "dict_type":
            return f"expected a block of keys{got}"
        case "greater_than_equal":
            return f"must be at least {_number(context['ge'])}{got}"
        case "greater_than":
            return f"must be greater than {_number(context['gt'])}{got}"
        case "less_than_equal":
            return f"must be at most {_number(context['le'])}{got}"
        case "less_than":
            return f"must be less than {_number(context['lt'])}{got}"
        case "too_short":
            return f"needs at least {context['min_length']} entries{got}"
        case "too_long":
            return f"takes at most {context['max_length']} entries{got}"
        case "value_error":
            return f"{context['error']}{'' if isinstance(received, dict) else got}"
    return f"{kind.replace('_', ' ')}{got}"


def _one_of(received: Any, context: dict[str, Any]) -> str:
    """The message for a block of several keys where one name is expected."""
    keys, known = [str(key) for key in received], context["known"]
    if known == keys[:1]:  # its arguments are beside it, not below it
        return f"; received the keys {', '.join(keys)}; write {keys[0]}: {{{keys[1]}: ...}}"
    return f"; received {', '.join(keys)}; keep one (in a list each begins with a dash of its own)"


def _habit(received: Any) -> str:
    """The remedy for a value in the notation of another language."""
    if isinstance(received, float):
        return f"; write {received:.0f}" if received.is_integer() else ""
    if not isinstance(received, str):
        return ""
    if received.lower() in OTHER_WORDS:
        return f"; write {OTHER_WORDS[received.lower()]}"
    if received.startswith("("):
        return f"; write [{received.strip('()')}]"
    try:
        float(received)
    except ValueError:
        return ""
    return f"; write {received} without quotes"


def _number(limit: float) -> str:
    return f"{limit:g}" if isinstance(limit, float) else f"{limit}"
