"""Layout of a CSV file: encoding, delimiter, decimal mark, and the first line of the table."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlphys.errors import UserError

LOOKED_AT = 500  # lines from which the layout is detected
LOOKED_AT_CHARACTERS = 200_000
LONGEST_LINE = 20_000_000  # characters
MOST_CELLS = 200_000  # of a line: an image of 256 x 256 pixels of three colours
DELIMITERS = ",;\t|"
COMMENTS = ("#", "%", "//")
MISSING = ("", "?", "na", "n/a", "nan", "null", "none", "-", "--", "...", "#n/a", "missing")
UNIT_TEXT = """
s ms us µs μs ns ps min h d v mv kv volt volts a ma µa ua hz khz mhz ghz k m mm cm km nm µm um kg g mg n j w mw kw
ev kev mev gev tev pa hpa kpa bar mbar °c degc c f % deg ° rad t mt db dbm counts cts a.u. arb. - 1 sec second
seconds ohm kohm ω kω mol l ml angstrom å mag mjy jy pc kpc mpc yr
"""
UNITS = frozenset(UNIT_TEXT.split())  # in small letters
DECIMAL_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d+),\d+([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Layout:
    """`first` lines precede the line of names, or above the first row where `named` is false; `units_row` is below
    the names. `ambiguous`: the first line has numbers where the rows below have some."""

    encoding: str = "utf-8-sig"
    delimiter: str = ","
    decimal: str = "."
    first: int = 0
    named: bool = True
    units_row: bool = False
    ambiguous: bool = False
    comments: bool = False

    def note(self) -> str:
        """What is unusual, in words; empty where nothing is."""
        parts = [f"{self.first} lines above the table skipped"] if self.first else []
        parts += ["the line of units skipped"] if self.units_row else []
        parts += ["decimal commas"] if self.decimal == "," else []
        parts += [f"encoded as {self.encoding}"] if not self.encoding.startswith("utf-8") else []
        return ", ".join(parts)

    def number(self, cell: str) -> str:
        """A cell as Python writes numbers."""
        if self.decimal == "," and DECIMAL_COMMA.fullmatch(cell):
            return cell.replace(".", "").replace(",", ".")
        return cell


def find(path: Path) -> Layout:
    """Raises UserError for what is no text, or has too many columns."""
    encoding = _encoding(path)
    with path.open(encoding=encoding, newline="") as file:
        lines: list[str] = []
        characters = 0
        while len(lines) < LOOKED_AT and (len(lines) < 20 or characters < LOOKED_AT_CHARACTERS):
            line = file.readline(LONGEST_LINE)
            characters += len(line)
            if not line:
                break
            if (most := max(map(line.count, DELIMITERS))) >= MOST_CELLS:
                raise UserError(
                    f"{path}:{len(lines) + 1}: {most + 1:,} cells; at most {MOST_CELLS:,} can be read; "
                    "save as large samples as an npy or npz file"
                )
            lines.append(line.rstrip("\r\n"))
    start, delimiter = 0, None
    if lines and (written := re.fullmatch(r'"?sep=(.)"?', lines[0].strip("\ufeff "), re.IGNORECASE)):
        start, delimiter = 1, written[1]
    body = [line for line in lines[start:] if line.strip() and not line.lstrip().startswith(COMMENTS)]
    delimiter = delimiter or _delimiter(body)
    return _table(lines, start, encoding, delimiter)


def _encoding(path: Path) -> str:
    """The encoding; the whole file is checked, since an invalid byte may come late."""
    with path.open("rb") as file:
        start = file.read(4)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while piece := file.read(1 << 20):
                if b"\0" in piece:
                    raise UserError(f"{path}: not a text: it holds zero bytes; export the table as CSV in UTF-8")
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "latin-1"
    return "utf-8-sig"


def cells(line: str, delimiter: str) -> list[str]:
    """Of one line; none where its quotes cannot be read."""
    if delimiter == " ":
        return line.split()
    if '"' not in line:
        return [cell.strip() for cell in line.split(delimiter)]
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])]
    except csv.Error:
        return []


def _delimiter(lines: Sequence[str]) -> str:
    """The one that cuts most lines alike, then into the most numbers, then into the most cells."""
    best, choice = (0.0, 0.0, 0), None
    for delimiter in DELIMITERS:
        counts = Counter(len(cells(line, delimiter)) for line in lines)
        n = max((n for n in counts if n > 1), key=lambda n: (counts[n], n), default=0)
        if n:
            alike = [line for line in lines if len(cells(line, delimiter)) == n]
            numbers = [_is_number(cell, delimiter) for line in alike for cell in cells(line, delimiter)]
            score = (round(len(alike) / len(lines), 1), sum(numbers) / len(numbers), n)
            if score > best:
                best, choice = score, delimiter
    if choice is not None:
        return choice
    blanks = Counter(len(line.split()) for line in lines)
    n = max(blanks, key=lambda n: blanks[n], default=1)
    numbers = [_is_number(cell, " ") for line in lines for cell in line.split()]
    return " " if n > 1 and blanks[n] >= 0.9 * len(lines) and sum(numbers) >= len(numbers) / 2 else ","


def _is_number(cell: str, delimiter: str) -> bool:
    if delimiter != "," and DECIMAL_COMMA.fullmatch(cell):
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _table(lines: Sequence[str], start: int, encoding: str, delimiter: str) -> Layout:
    """Where the names and the rows are: rows are what most of the last lines are like."""
    rows = {i: cells(lines[i], delimiter) for i in range(start, len(lines)) if lines[i].strip()}
    rows = {i: row for i, row in rows.items() if any(row)}
    data = {i: row for i, row in rows.items() if not lines[i].lstrip().startswith(COMMENTS)}
    if not data:
        return Layout(encoding, delimiter, first=start)
    counts = Counter(len(row) for row in data.values())
    n = max(counts, key=lambda n: (counts[n], n))
    alike = {i: row for i, row in data.items() if len(row) == n}
    numeric = _numeric_columns(list(alike.values()), delimiter)
    first_row = _first_row(alike, numeric, delimiter)
    names = _names(lines, rows, alike, first_row, n, delimiter)
    below = [row for i, row in alike.items() if i >= first_row]
    commas = any(DECIMAL_COMMA.fullmatch(cell) for row in below for cell in row) and delimiter != ","
    points = any(re.fullmatch(r"[+-]?\d*\.\d+([eE][+-]?\d+)?", cell) for row in below for cell in row)
    decimal = "," if commas and not points else "."
    comments = bool(numeric and numeric[0])
    if names is None:
        return Layout(encoding, delimiter, decimal, min(alike), False, False, True, comments)
    units_row = names + 1 in alike and names + 1 < first_row and _are_units(alike[names + 1])
    return Layout(encoding, delimiter, decimal, names, True, units_row, False, comments)


def _numeric_columns(rows: Sequence[Sequence[str]], delimiter: str) -> list[bool]:
    """Of the last half, where preamble and names are not."""
    last = rows[len(rows) // 2 :]
    return [
        2 * sum(_is_number(cell, delimiter) for cell in column) >= len([c for c in column if c.lower() not in MISSING])
        and any(_is_number(cell, delimiter) for cell in column)
        for column in zip(*last, strict=True)
    ]


def _first_row(alike: dict[int, list[str]], numeric: Sequence[bool], delimiter: str) -> int:
    """The first line with a number, or nothing, in each numeric column; where none is numeric, the second line."""
    numbers = list(alike)
    if not any(numeric):
        return numbers[min(1, len(numbers) - 1)]
    for i, row in alike.items():
        inside = [cell for cell, is_number in zip(row, numeric, strict=True) if is_number]
        if all(_is_number(cell, delimiter) or cell.lower() in MISSING for cell in inside):
            return i
    return numbers[0]


def _names(
    lines: Sequence[str],
    rows: dict[int, list[str]],
    alike: dict[int, list[str]],
    first_row: int,
    n: int,
    delimiter: str,
) -> int | None:
    """The line that names the columns: the last above the rows that has no number; a commented one too."""
    above = [i for i in alike if i < first_row and not any(_is_number(cell, delimiter) for cell in alike[i])]
    if len(above) > 1 and above[-1] == above[-2] + 1 and _are_units(alike[above[-1]]):
        return above[-2]
    if above:
        return above[-1]
    if not any(_is_number(cell, delimiter) for cell in alike[first_row]):
        return first_row  # nothing but text, or too few lines to decide
    for i in sorted((i for i in rows if i < first_row and i not in alike), reverse=True):
        names = cells(lines[i].lstrip().lstrip("#%/").strip(), delimiter)
        if (
            lines[i].lstrip().startswith(COMMENTS)
            and len(names) == n
            and not any(_is_number(c, delimiter) for c in names)
        ):
            return i
    return None


def _are_units(row: Sequence[str]) -> bool:
    """`s, V`, `(s), (Volt)`, `[s], [V]`."""
    nonempty = [cell for cell in row if cell]
    return bool(nonempty) and all(cell[0] + cell[-1] in ("()", "[]") or cell.lower() in UNITS for cell in nonempty)
