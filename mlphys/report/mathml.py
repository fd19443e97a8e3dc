"""A cost's formula as MathML."""

from __future__ import annotations

import re

from mlphys.report.html import Html, element, joined

TOKEN = re.compile(r"(\d+(?:\.\d+)?(?:e-?\d+)?)|([A-Za-z][A-Za-z.0-9]*[A-Za-z0-9]|[A-Za-z])|(\s+)|(.)")
OPERATORS = {"-": "−", "*": "·"}
FUNCTIONS = {"log", "exp", "sum", "min", "max", "cosh", "tanh"}
BRACKETS = {"(": ")", "[": "]", "{": "}"}


def formula(cost: str) -> Html:
    """Every line of a formula as a row; words as words, `x^2` and `h_j` as they are set in a book."""
    lines = [line.rstrip() for line in cost.splitlines()]
    return element("div", [element("p", _line(line)) for line in lines], class_="formula", tabindex="0")


def _line(line: str) -> Html:
    tokens = [match.group(0) for match in TOKEN.finditer(line.strip())]
    return Html(f'<math display="inline">{joined(*_row(tokens))}</math>')


def _row(tokens: list[str]) -> list[Html]:
    found: list[Html] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token in ("^", "_") and found and at + 1 < len(tokens):
            name = "msup" if token == "^" else "msub"
            script, at = _script(tokens, at + 1)
            found[-1] = element(name, found[-1], script)
        else:
            if token == "x" and at > 1 and tokens[at - 2][0].isdigit():
                found.append(element("mo", "×"))
            elif not token.isspace():
                found.append(_single(token))
            elif len(token) > 1:
                found.append(Html('<mspace width="1em"></mspace>'))
            at += 1
    return found


def _script(tokens: list[str], at: int) -> tuple[Html, int]:
    """What stands after ^ or _, and where it ends: one token, or all up to the closing bracket."""
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
    if len(token) == 1:
        return element("mi", token)
    return element("mtext", f"\u00a0{token}\u00a0")
