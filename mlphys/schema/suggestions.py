"""What may have been meant by a name that is not known, and names in messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from mlphys.errors import UserError

FEW, MANY = 8, 14  # names: listed after a suggestion, and without one

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
    "momentum": "it belongs to the optimizer: {SGD: {momentum: ...}}",
    "decay": "write a schedule for learning_rate, such as {ExponentialDecay: {...}}",
    "acc": "write accuracy",
    "validation_acc": "write validation_accuracy",
    "validation_categorical_accuracy": "write validation_accuracy",
    "validation_sparse_categorical_accuracy": "write validation_accuracy",
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
    "from_logits": "leave it out, and end the layers with activation: softmax",
    "dropout": "write a layer of its own, Dropout: {rate: ...}",
    "normal": "write RandomNormal",
    "uniform": "write RandomUniform",
    "xavier": "write GlorotUniform",
    "InputLayer": "leave it out: the input's shape comes from the data",
    "Input": "leave it out: the input's shape comes from the data",
    "normalize": "write standardize (mean 0, variance 1), or {scale: 255.0} (divided by 255)",
    "normalise": "write standardize (mean 0, variance 1), or {scale: 255.0} (divided by 255)",
    "normalization": "write standardize (mean 0, variance 1), or {scale: 255.0} (divided by 255)",
    "StandardScaler": "write standardize",
    "zscore": "write standardize",
    "rescale": "write {scale: 255.0}, which divides by 255",
    "Rescaling": "write {scale: 255.0}, which divides by 255",
    "Lambda": "there is no layer for own code: a config is data and cannot run any",
    "groups": "leave it out: grouped convolutions cannot be trained on a CPU",
    "kernel_constraint": "leave it out: constraints are not supported",
}


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
    if wrong.endswith(")") and "(" not in wrong:
        return "; YAML has no (2, 3); write [2, 3]"
    wrong = wrong.partition("(")[0] or wrong
    near = _nearest(wrong.lower(), list(by_lower))
    return f"; did you mean {by_lower[near]}?" if near else ""


def _nearest(wrong: str, names: Sequence[str]) -> str | None:
    """Of dotted names the parts are compared one by one: the long ones they share make none alike."""
    parts = wrong.split(".")
    alike = [name for name in names if name.count(".") == len(parts) - 1]
    for i, part in enumerate(parts):
        known = list(dict.fromkeys(name.split(".")[i] for name in alike))
        near = difflib.get_close_matches(part, known, n=1, cutoff=0.6) or [k for k in known if k.startswith(part)]
        if not near:
            return None
        alike = [name for name in alike if name.split(".")[i] == near[0]]
    return alike[0]


def choice(wrong: Any, allowed: Sequence[str]) -> str:
    """The allowed values, the most similar first; long lists are shortened."""
    hint = suggestion(wrong, allowed)
    if hint:
        return f"{hint} (allowed: {', '.join(allowed)})" if 0 < len(allowed) <= FEW else hint
    return f"; allowed {listed(allowed) or 'no keys here'}"


def listed(names: Sequence[str]) -> str:
    """Names with commas; of many the first."""
    more = f", ... ({len(names)} in all)" if len(names) > MANY else ""
    return ", ".join(names[: MANY - 1] if more else names) + more


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
