"""A cost's formula as MathML."""

from __future__ import annotations

import re
from itertools import groupby

from mlphys.report.html import Html, element, joined, text

TOKEN = re.compile(r"(\d+(?:\.\d+)?(?:e-?\d+)?)|([A-Za-z][A-Za-z.0-9]*[A-Za-z0-9](?:'s)?|[A-Za-z])|(\s+)|(.)")
OPERATORS = {"-": "−", "*": "·"}
FUNCTIONS = {"log", "exp", "sum", "min", "max", "cosh", "tanh"}
BRACKETS = {"(": ")", "[": "]", "{": "}"}


def formula(cost: str) -> Html:
    """Every line of a cost as a row: words as words, `x^2` and `h_j` as they are set in a book."""
    lines = [line.rstrip() for line in cost.splitlines()]
    return element("div", [element("p", _line(line)) for line in lines], class_="formula", tabindex="0")


def _line(line: str) -> Html:
    """Words that stand alone are text, which a narrow window folds; what is between them is a formula."""
    tokens = [match.group(0) for match in TOKEN.finditer(line.strip().replace("...", "…"))]
    parts = []
    for prose, run in groupby(range(len(tokens)), lambda at: _is_prose(tokens, at)):
        segment = [tokens[at] for at in run]
        if prose:
            parts.append(text("".join("\u2003" if each.isspace() and len(each) > 1 else each for each in segment)))
        else:
            parts.append(Html(f'<math display="inline">{joined(*_row(segment))}</math>'))
    return joined(*parts)


def _is_prose(tokens: list[str], at: int) -> bool:
    """A word without an index, a power or a bracket; the space beside one; a comma or a colon before a space."""
    before, after = ["", *tokens][at], [*tokens, ""][at + 1]
    if tokens[at].isspace():
        return _is_prose(tokens, at - 1) or _is_prose(tokens, at + 1)
    if tokens[at] in (",", ":"):
        return after.isspace()
    word = len(tokens[at]) > 1 and tokens[at][0].isalpha() and tokens[at] not in FUNCTIONS
    return word and (not before or before.isspace()) and (not after or after.isspace() or after in ",:")


def _row(tokens: list[str]) -> list[Html]:
    parts: list[Html] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token in ("^", "_") and parts and at + 1 < len(tokens):
            name = "msup" if token == "^" else "msub"
            script, at = _script(tokens, at + 1)
            parts[-1] = element(name, parts[-1], script)
        else:
            if token == "x" and at > 1 and tokens[at - 2][0].isdigit():
                parts.append(element("mo", "×"))
            elif not token.isspace():
                parts.append(_single(token))
            elif at and tokens[at - 1] in FUNCTIONS - {"sum"}:
                parts.append(Html('<mspace width="0.17em"></mspace>'))
            at += 1
    return parts


def _script(tokens: list[str], at: int) -> tuple[Html, int]:
    """What follows ^ or _, and where it ends: one token, or all up to the closing bracket."""
    if tokens[at] not in BRACKETS:
        return _single(tokens[at]), at + 1
    depth, end = 0, at
    while end < len(tokens):
        depth += (tokens[end] in BRACKETS) - (tokens[end] in BRACKETS.values())
        end += 1
        if not depth:
            break
    return element("mrow", _row(tokens[at:end])), end


def _single(token: str) -> Html:
    if token[0].isdigit():
        return element("mn", token)
    if token in OPERATORS or not token[0].isalpha():
        return element("mo", "∑" if token == "sum" else OPERATORS.get(token, token))
    if token == "sum":
        return element("mo", "∑")
    if token in FUNCTIONS:
        return joined(element("mi", token), element("mo", Html("&#x2061;")))  # applies a function, invisible
    return element("mi", token)
