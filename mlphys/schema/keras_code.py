"""A line of Keras code in a config, answered with the YAML that means the same."""

from __future__ import annotations

import ast
from typing import Any

from mlphys.schema.document import flow
from mlphys.schema.initializers import INITIALIZERS, REGULARIZERS
from mlphys.schema.layers import ALIASES as LAYER_ALIASES
from mlphys.schema.layers import LAYERS
from mlphys.schema.losses import ALIASES as LOSS_ALIASES
from mlphys.schema.losses import LOSSES
from mlphys.schema.optimizers import OPTIMIZERS, SCHEDULES
from mlphys.schema.spec import Choice

LONGEST = 2000  # characters of a line
NAMES = Choice(
    "name",
    {**LAYERS, **LOSSES, **OPTIMIZERS, **SCHEDULES, **INITIALIZERS, **REGULARIZERS},
    {**LAYER_ALIASES, **LOSS_ALIASES},
)


def remedy(text: str, in_list: bool) -> str:
    """What to write instead of a line of Keras code; nothing for other text."""
    if written := as_yaml(text, in_list):
        return f"; this is Python; write {written}"
    if written := begins_a_call(text):
        return f"; this is Python, and a comma ends it here; write {written}"
    return ""


def as_yaml(code: str, in_list: bool) -> str | None:
    """`Conv2D(7, (5, 5), activation="relu")` as `Conv2D: {filters: 7, ...}`; None for what is no call of a Keras class.

    Nothing of the code is run. `in_list` leaves out the braces, which a key needs and the entry of a list does not.
    """
    if len(code) > LONGEST or "(" not in code:
        return None
    try:
        node = ast.parse(code.strip().rstrip(","), mode="eval").body
        written = _value(node)
        text = flow(written)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if isinstance(node, ast.Constant | ast.Tuple | ast.List | ast.Dict) or not isinstance(written, str | dict):
        return None
    return text[1:-1] if in_list and text.startswith("{") else text


def begins_a_call(code: str) -> str | None:
    """The YAML that a call begins whose end is missing, as commas in a list cut it off; None for other text."""
    spec = NAMES.find(code.partition("(")[0].rpartition(".")[2]) if "(" in code else None
    if spec is None:
        return None
    required = ", ".join(f"{key}: ..." for key in spec.key_names() if spec.model_fields[key].is_required())
    name = NAMES.names[spec]
    return f"{name}: {{{required}}}" if required else name


def _value(node: ast.expr) -> Any:
    """A literal, or a call of a Keras class as its name with its arguments. Raises ValueError for anything else."""
    if isinstance(node, ast.Tuple | ast.List):
        return [_value(item) for item in node.elts]
    if not isinstance(node, ast.Call):
        return ast.literal_eval(node)
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name == "add" and len(node.args) == 1:  # model.add(Dense(10))
        return _value(node.args[0])
    spec = NAMES.find(name)
    if spec is None or len(node.args) > len(spec.positional):
        raise ValueError
    arguments = dict(zip(spec.positional, map(_value, node.args), strict=False))
    arguments |= {word.arg: _value(word.value) for word in node.keywords if word.arg in spec.model_fields}
    arguments = {key: value for key, value in arguments.items() if value is not None}
    return {NAMES.names[spec]: arguments} if arguments else NAMES.names[spec]
