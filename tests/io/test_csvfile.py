import pytest

from mlphys.errors import UserError
from mlphys.io import csv_layout, csvfile


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b;c;d\n", [(1, ["a,b", "c", "d"])]),
        ('"a;b;c",d\n\n1,2\n', [(1, ["a;b;c", "d"]), (3, ["1", "2"])]),
        ("a\tb c\r\n1\t2\r\n", [(1, ["a", "b c"]), (2, ["1", "2"])]),
        ('\ufeffa,b\n"1\n2",3\n', [(1, ["a", "b"]), (3, ["1\n2", "3"])]),
        (" \n,,\n", []),
        ("", []),
    ],
)
def test_the_first_line_tells_the_delimiter_and_every_row_its_last_line(tmp_path, text, rows):
    path = tmp_path / "own.csv"
    path.write_bytes(text.encode())
    with csvfile.opened(path) as found:
        assert list(found) == rows


@pytest.mark.parametrize("cell", ["", "up", "nan", "-inf", "1e39", "1_000", "1,5", "0x10"])
def test_what_is_no_finite_float32_is_no_number(cell):
    with pytest.raises(ValueError, match=r"^(the cell is empty|expected a finite number; |1e39 is beyond float32)"):
        csvfile.number(cell)


@pytest.mark.parametrize(("cell", "value"), [("1", 1), ("-1.5e3", -1500), ("+.5", 0.5), ("3.4e38", 3.4e38)])
def test_numbers_are_read_as_python_reads_them(cell, value):
    assert csvfile.number(cell) == value


def test_a_line_of_too_many_cells_is_refused_at_once(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("a;b\n" + "1;" * csv_layout.MOST_CELLS + "1\n")
    with pytest.raises(UserError) as error:
        csv_layout.find(path)
    assert str(error.value) == (
        f"{path}:2: 200,001 cells; at most 200,000 can be read; save as large samples as an npy or npz file"
    )
