"""Cells that spreadsheets would execute."""

import csv
import io

from hypothesis import example, given
from hypothesis import strategies as st

from service_kit.csv_lines import as_written, csv_lines

FORMULAS = "=+-@\t\r"


@given(st.lists(st.text(alphabet="=+-@\t\r\n'\",a ", max_size=6), min_size=1, max_size=4))
@example(["=1", "'=1", "''=1", "'plain", "-", "\r\n"])
def test_no_cell_is_a_formula_and_each_is_read_as_it_was(cells: list[str]) -> None:
    [row] = csv.reader(io.StringIO(csv_lines([cells]), newline=""))
    assert not any(cell.startswith(tuple(FORMULAS)) for cell in row)
    assert [as_written(cell) for cell in row] == cells


def test_numbers_stay_numbers() -> None:
    assert csv_lines([(-1, 0.5, "-1")]) == "-1,0.5,'-1\r\n"
