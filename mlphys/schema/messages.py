"""Error messages for configs, with remedies."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from mlphys.errors import Refusal, UserError
from mlphys.schema import keras_code
from mlphys.schema.document import Document, KeyPath, dotted, flow
from mlphys.schema.suggestions import SLIPS, choice, listed, quoted, suggestion

MOST_SHOWN = 10

OTHER_WORDS = {"yes": "true", "on": "true", "no": "false", "off": "false"}  # YAML 1.1 knew them

# What a value of another kind should be.
EXPECTED = {
    "name": "1 to 100 of a-z, A-Z, 0-9, '.', '-', '_', first a letter or digit: it names a folder",
    "range": "a range such as [0.985, 0.993], the smaller number first",
    "remark": "text, a number, true or false",
    "learning_rate": "a number above 0, or a schedule by name",
    "split": "stratified, in_order or {by: column}",
    "class_weight": "balanced, or a weight of at least 0 for each class",
    "matrix": "rows of as many numbers each, up to 1e6, such as [[1, -2, 1]]",
    "finite_number": "a finite number",
    "string_type": "text",
    "dict_type": "a block of keys",
}
# Those for which what was received may be right in the notation of another language.
EXPECTED_WITH_HABITS = {
    "two_directions": "a whole number, or two for rows and columns such as [3, 3]",
    "border": "a whole number, [rows, columns] or [[top, bottom], [left, right]]",
    "border_of_sequence": "a whole number, or two such as [before, after]",
    "size": "a count of samples, or a fraction between 0 and 1",
    "components": "a number of components, or a fraction of the variance below 1",
    "batch_size": "a whole number of at least 1, or all",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
}
BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("greater than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


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


def problems_of(error: ValidationError, narrower: Mapping[KeyPath, Sequence[str]] | None = None) -> list[Refusal]:
    """pydantic's errors in our wording, each key once.

    `narrower` has, for some places, the names that the rest of the document leaves of those allowed.
    """
    refusals: dict[KeyPath, Refusal] = {}
    for item in error.errors(include_url=False):
        path = tuple(item["loc"])
        if item["type"] == "too_short" and len(item["input"]) >= item["ctx"]["min_length"]:
            continue  # its entries are reported themselves
        context = dict(item.get("ctx") or {})
        if item["type"] == "unknown_name" and narrower and path in narrower:
            context["allowed"] = narrower[path]
        if path not in refusals:
            shown = len(refusals) < MOST_SHOWN  # to look for similar names for thousands takes seconds
            text = _text(item["type"], context, item["input"], path) if shown else item["type"]
            refusals[path] = Refusal(path, text)
    return list(refusals.values())


def _text(kind: str, context: dict[str, Any], received: Any, path: KeyPath) -> str:
    got = f"; received {quoted(received)}"
    if kind in EXPECTED:
        return f"expected {EXPECTED[kind]}{got}"
    if kind in EXPECTED_WITH_HABITS:
        return f"expected {EXPECTED_WITH_HABITS[kind]}{got}{_habit(received)}"
    if kind in BOUNDS:
        words, key = BOUNDS[kind]
        return f"must be {words} {_number(context[key])}{got}"
    return (
        _text_of_names(kind, context, received, path)
        or _text_of_values(kind, context, received)
        or f"{kind.replace('_', ' ')}{got}"
    )


def _text_of_names(kind: str, context: dict[str, Any], received: Any, path: KeyPath) -> str:
    """Where a key, the name of an entry or its arguments are wrong; empty for other problems."""
    got = f"; received {quoted(received)}"
    match kind:
        case "missing":
            return "missing; this key must be given"
        case "unknown_key":
            return f"unknown key{_key_hint(context, path)}"
        case "unknown_name":
            problem = "unknown" if isinstance(received, str) else "expected one"
            hint = keras_code.remedy(received, isinstance(path[-1], int)) if isinstance(received, str) and path else ""
            return f"{problem} {context['noun']}{got}{hint or choice(received, context['allowed'])}"
        case "no_name":
            near = difflib.get_close_matches(str(path[-1]), context["keys"], n=1)
            hint = f"; write {path[-1]} instead of {near[0]}" if near else ""
            return f"missing; say which {context['noun']}: {listed(context['allowed'])}{hint}"
        case "one_name":
            return f"expected one {context['noun']}{_one_of(received, context, path)}"
        case "arguments":
            name, arguments = context["name"], context["arguments"]
            open_keys = dict.fromkeys((key for key in context["required"] if key not in arguments), "...")
            block = flow({**arguments, **open_keys}).replace("'...'", "...")
            return f"expected a block of keys{got}; write {f'{name}: {block}' if arguments else name}"
        case "block":
            hint = suggestion(received, context["allowed"])
            return f"expected a {context['noun']} such as {context['example']}{got}{hint}"
        case "keys":
            hint = _missing_space(received, context["allowed"])
            return f"expected a block of keys{got}{hint or '; allowed ' + ', '.join(context['allowed'])}"
    return ""


def _text_of_values(kind: str, context: dict[str, Any], received: Any) -> str:
    """Where a value is wrong in a way that its context tells; empty for other problems."""
    got = f"; received {quoted(received)}"
    match kind:
        case "temperatures":
            return (
                "expected temperatures above 0 such as [1.8, 2.3, 3.0], or evenly spaced "
                f"{{from: 1.6, to: 2.9, count: 14}}; received {context['wrong'][:100]}"
            )
        case "side":
            return f"a kernel has at most {context['most']} rows and columns{got}"
        case "sizes":
            return "expected kernels of the same size; received different ones"
        case "literal_error":
            expected = context["expected"].replace("'", "").replace(" or ", ", ").split(", ")
            return f"unknown value{got}{choice(received, expected)}"
        case "beyond_float32":
            return f"must lie between -{context['largest']:g} and {context['largest']:g}: computed in float32{got}"
        case "tuple_type" | "list_type":
            word = isinstance(received, str) and re.fullmatch(r"[\w.-]+", received)
            return f"expected a list{got}{f'; write [{received}]' if word else ''}"
        case "too_short":
            return f"needs at least {context['min_length']} entries{got}"
        case "too_long":
            return f"takes at most {context['max_length']} entries{got}"
        case "value_error":
            return f"{context['error']}{'' if isinstance(received, dict) else got}"
    return ""


def _key_hint(context: dict[str, Any], path: KeyPath) -> str:
    """The remedy for a key that is not known, and what is allowed."""
    key, allowed = context["key"], context["allowed"]
    if hint := _missing_space(key, allowed):
        return hint
    before, number = context["before"]
    if key.isdecimal() and type(number) is int:
        return f"; a number takes a decimal point; write {before}: {number}.{key}"
    if isinstance(number, str) and (call := keras_code.begins_a_call(number)):
        return f"; {before} is Python, and a comma ends it here; write {before}: {{{call}}}"
    if elsewhere := context.get("elsewhere"):
        return f"; {key} is a key of {context['by']}: {', '.join(elsewhere)}; allowed {listed(allowed)}"
    if key in SLIPS and SLIPS[key].endswith(f" block {path[0]}"):  # it is in this block already
        return f"; allowed {listed(allowed)}"
    return choice(key, allowed)


def _missing_space(text: Any, keys: Sequence[str]) -> str:
    """The remedy for `epochs:30`, which YAML reads as one word."""
    name, colon, value = text.partition(":") if isinstance(text, str) else ("", "", "")
    return f"; a space is missing after the colon; write {name}: {value}" if colon and name in keys else ""


def _one_of(received: Any, context: dict[str, Any], path: KeyPath) -> str:
    """The message for a block of several keys where one name is expected."""
    keys, known = [str(key) for key in received], context["known"]
    if known == keys[:1]:  # its arguments are beside it, not below it
        return f"; received the keys {', '.join(keys)}; write {keys[0]}: {{{keys[1]}: ...}}"
    if isinstance(path[-1], int):
        return f"; received {', '.join(keys)}; keep one (in a list each begins with a dash of its own)"
    last = flow({keys[-1]: received[keys[-1]]})
    return f"; received {', '.join(keys)}; keep one, such as {last}; as an option: --set '{dotted(path)}={last}'"


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
    plain = received.replace("_", "").replace(",", ".", 1)
    try:
        float(plain)
    except ValueError:
        return ""
    return f"; write {received} without quotes" if plain == received else f"; write {plain}"


def _number(limit: float) -> str:
    return f"{limit:g}" if isinstance(limit, float) else f"{limit}"
