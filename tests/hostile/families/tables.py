"""CSV files that are no tables, or tables that no memory holds."""

from __future__ import annotations

from collections.abc import Iterator

from tests.hostile.case import Case
from tests.hostile.inputs import after, wrote

ROWS = "".join(f"{i},{i * 2},{i % 2}\n" for i in range(40))
SOUND = f"a,b,c\n{ROWS}"
BLANK = "thousands of empty rows"  # as a spreadsheet leaves them: passed over
TABLES: dict[str, str | bytes] = {
    "empty": "",
    "only line breaks": "\n" * 100,
    "only names": "a,b,c\n",
    "one row": "a,b,c\n1,2,0\n",
    "one column": "c\n" + "1\n" * 40,
    "no column c": SOUND.replace("c", "d", 1),
    "a column twice": SOUND.replace("b", "c", 1),
    "a nameless column": SOUND.replace("b", "", 1),
    "a cell too many": f"{SOUND}1,2,3,4\n",
    "a cell too few": f"{SOUND}1,2\n",
    "a quotation mark without end": f'{SOUND}"1,2,3\n' + "x\n" * 100,
    "words for numbers": f"{SOUND}x,2,0\n",
    "nan": f"{SOUND}nan,2,0\n",
    "infinity": f"{SOUND}inf,2,0\n",
    "beyond float64": f"{SOUND}1e400,2,0\n",
    "beyond float32": f"{SOUND}1e300,2,0\n",
    "a number of 5,000 digits": f"{SOUND}{'9' * 5000},2,0\n",
    "a cell of a megabyte": f"{SOUND}{'x' * 1_000_000},2,0\n",
    "hexadecimal": f"{SOUND}0x10,2,0\n",
    "an underscore": f"{SOUND}1_0,2,0\n",
    "a formula": f"{SOUND}=cmd|'/c calc'!A1,2,0\n",
    "an escape in a cell": f"{SOUND}\x1b[2J,2,0\n",
    "an escape in a name": SOUND.replace("a", "\x1b[2J", 1).replace("c", "d", 1),
    "a null byte": f"{SOUND}1\0,2,0\n",
    "a direction override": f"{SOUND}\u202e1,2,0\n",
    "line separators": SOUND.replace("\n", "\u2028"),
    "latin-1": SOUND.encode() + b"gr\xf6\xdfe,2,0\n",
    "zeros": bytes(10_000),
    "a zip file": b"PK\x03\x04" + bytes(500),
    "a workbook": b"\xd0\xcf\x11\xe0" + bytes(500),
    "HTML": "<html><table><tr><td>1</td></tr></table></html>",
    "JSON": '{"a": [1, 2, 3]}',
    "50,000 columns": ",".join(f"c{i}" for i in range(50_000)) + "\n" + ",".join(["1"] * 50_000) + "\n",
    "a line of 5 MB": "1," * 2_500_000 + "\n",
    BLANK: SOUND + ",,\n" * 5000,
    "a name of 100,000 characters": SOUND.replace("a", "n" * 100_000, 1).replace("c", "d", 1),
    "as many classes as rows": "a,b,c\n" + "".join(f"1,2,class{i}\n" for i in range(500)),
    "one class": "a,b,c\n" + "1,2,0\n" * 40,
    "classes of control characters": "a,b,c\n" + "1,2,\x1b[2J\n3,4,y\n" * 20 + "1,2,\0\n",
    "a comment in every line": "# x\n" * 1000,
    "separators of all kinds": "a;b,c\td\n1;2,3\t4\n" * 20,
    "a pickle": b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.",
}
KEYS = {
    "a target that is not there": "target: z",
    "a target of escapes": 'target: "\\e[2J"',
    "a target that is a feature": "target: c, features: [a, c]",
    "no features": "target: c, features: []",
    "features twice": "target: c, features: [a, a]",
    "a feature that is a number": "target: c, features: [1]",
    "ten thousand features": f"target: c, features: [{', '.join(f'f{i}' for i in range(10_000))}]",
    "weights that are not there": "target: c, weights: w",
    "missing values that are a block": "target: c, missing: {a: 1}",
    "a separator of two signs": "target: c, separator: ';;'",
    "a category that is no column": "target: c, categories: [z]",
    "an unknown key": "target: c, pickle: true",
    "an encoding": "target: c, encoding: utf-7",
    "code": "target: c, converters: 'lambda x: x'",
}
MODEL = "model: {kind: classifier, layers: [{Dense: {units: UNITS, activation: softmax}}]}\n"
CHECK = ("data", "check", "c.yaml")


def cases() -> Iterator[Case]:
    sound = f"data: {{name: table, path: t.csv, target: c, target_is: classes}}\n{MODEL.replace('UNITS', '2')}"
    for what, table in TABLES.items():
        prepare = after(wrote("t.csv", table), wrote("c.yaml", sound))
        yield Case(what, CHECK, "t.csv|c.yaml", prepare) if what != BLANK else Case(what, CHECK, "", prepare, code=0)
        yield (
            Case(
                f"new: {what}",
                ("new", "--data", "t.csv", "--target", "c", "--task", "classify"),
                "",
                wrote("t.csv", table),
            )
            if what in FOR_NEW
            else Case(f"without target: {what}", ("new", "--data", "t.csv", "--target", "z"), "", wrote("t.csv", table))
        )
    for what, keys in KEYS.items():
        text = f"data: {{name: table, path: t.csv, {keys}}}\n{MODEL.replace('UNITS', '2')}"
        yield Case(what, CHECK, "t.csv|c.yaml", after(wrote("t.csv", SOUND), wrote("c.yaml", text)))


FOR_NEW = (
    "empty",
    "only line breaks",
    "only names",
    "no column c",
    "a column twice",
    "zeros",
    "a zip file",
    "a workbook",
    "a pickle",
    "one class",
)
