"""A part of a real shop's month is replayed, and the books agree to the penny and the unit."""

import csv
import gzip
import io
from pathlib import Path

import pytest
from rich.console import Console

from local_stack.shop import Shop
from tools.replay.run import Staff, replay, stock_factor
from tools.replay.sales import DEFAULT_FILE, read

INVOICES = 200


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped file up to its 200th invoice, with its irregular rows."""
    rows = csv.reader(io.StringIO(gzip.decompress(DEFAULT_FILE.read_bytes()).decode()))
    header = next(rows)
    seen: set[str] = set()
    kept = [header]
    for row in rows:
        seen.add(row[0])
        if len(seen) > INVOICES:
            break
        kept.append(row)
    file = tmp_path_factory.mktemp("replay") / "cut.csv.gz"
    text = io.StringIO()
    csv.writer(text).writerows(kept)
    file.write_bytes(gzip.compress(text.getvalue().encode()))
    return file


@pytest.mark.parametrize("stock", ["1.0", "0.8"])
def test_the_books_agree(shop: Shop, cut: Path, stock: str) -> None:
    """First with stock for all orders of the file; then again with too little, so that some are rejected."""
    sold = read(cut)
    result = replay(Staff.of(shop), sold, stock_factor(stock), Console(stderr=True))
    figures = result.figures
    assert result.mismatches == []
    assert figures["delivered"] + figures["rejected"] == figures["orders"] > INVOICES // 2
    assert figures["revenue_minor"] == sum(line.quantity * line.unit_price for line in sold.lines)
    if stock == "1.0":
        assert figures["rejected"] == figures["units_left"] == 0
        assert figures["payments_captured_minor"] == figures["revenue_minor"]
        assert figures["notifications"] == 5 * figures["orders"]
    else:
        assert figures["rejected"] > 0
        assert figures["notifications"] == 5 * figures["delivered"] + 2 * figures["rejected"]
