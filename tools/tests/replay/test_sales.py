import gzip
from pathlib import Path

import pytest

from tools.replay.sales import COLUMNS, DEFAULT_FILE, BadFile, Line, parse, read

HEADER = ",".join(COLUMNS)


def row(
    invoice: str = "536365",
    code: str = "85123A",
    description: str = "WHITE HEART",
    quantity: str = "6",
    price: str = "2.55",
    customer: str = "17850",
    country: str = "United Kingdom",
) -> str:
    return f"{invoice},{code},{description},{quantity},2010-12-01 08:26,{price},{customer},{country}"


def test_the_shipped_file_has_the_documented_numbers() -> None:
    sales = read(DEFAULT_FILE)
    assert sales.skipped == {"return": 728, "invoice": 0, "stock_code": 170, "quantity": 70, "price": 203}
    assert len(sales.invoices) == 1_550
    assert sum(1 for _ in sales.lines) == 41_310
    assert sales.units == 358_743
    assert sales.revenue == 77_786_564
    assert max(len(invoice.lines) for invoice in sales.invoices) == 674


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (row(invoice="C536379", code="D", quantity="-1", price="0"), "return"),
        (row(invoice="A563185", code="B", quantity="0", price="-1"), "invoice"),
        (row(code="POST", quantity="0", price="0"), "stock_code"),
        (row(code="85123-A", quantity="0", price="0"), "stock_code"),
        (row(code="851234"), "stock_code"),
        (row(quantity="-6", price="0"), "quantity"),
        (row(quantity="0", price="0"), "quantity"),
        (row(price="0"), "price"),
        (row(price="-11062.06"), "price"),
        (row(invoice="C1", quantity="what", price="ever"), "return"),
    ],
)
def test_a_line_is_skipped_for_the_first_reason_that_holds(line: str, reason: str) -> None:
    sales = parse([HEADER, line, row()])
    assert {name: count for name, count in sales.skipped.items() if count} == {reason: 1}
    assert len(sales.invoices) == 1


def test_lines_are_never_merged_and_keep_their_order() -> None:
    sales = parse([HEADER, row(), row(invoice="536366"), row(price="3.39"), row(code="85123a", quantity="2")])
    assert [invoice.number for invoice in sales.invoices] == ["536365", "536366"]
    expected = [
        Line("85123A", "WHITE HEART", 6, 255),
        Line("85123A", "WHITE HEART", 6, 339),
        Line("85123A", "WHITE HEART", 2, 255),
    ]
    assert sales.invoices[0].lines == expected
    assert sales.invoices[0].total == 6 * 255 + 6 * 339 + 2 * 255


def test_a_product_has_the_most_frequent_description_and_price_of_its_lines() -> None:
    lines = [
        row(description="RARE", price="9.99"),
        row(description="OFTEN"),
        row(description="OFTEN"),
        row(description=""),
    ]
    (product,) = parse([HEADER, *lines]).products()
    assert (product.sku, product.name, product.price, product.units) == ("85123A", "OFTEN", 255, 24)


def test_a_product_without_a_description_is_named_by_its_code() -> None:
    (product,) = parse([HEADER, row(description="")]).products()
    assert product.name == "85123A"


def test_pounds_become_pence_without_a_float() -> None:
    prices = ["0.29", "4.35", "1.005", "0.004", "10"]
    sales = parse([HEADER, *(row(price=price) for price in prices)])
    assert [line.unit_price for line in sales.lines] == [29, 435, 101, 1000]
    assert sales.skipped["price"] == 1


def test_a_file_may_be_plain_text_or_gzip_and_have_a_byte_order_mark(tmp_path: Path) -> None:
    text = "\ufeff" + "\r\n".join([HEADER, row()])
    plain, zipped = tmp_path / "plain.csv", tmp_path / "named-as-you-like"
    plain.write_bytes(text.encode())
    zipped.write_bytes(gzip.compress(text.encode()))
    assert read(plain).units == read(zipped).units == 6


def test_missing_columns_are_named(tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("InvoiceNo,StockCode,Quantity\n1,2,3\n")
    with pytest.raises(
        BadFile, match=r"lacks the columns Description, InvoiceDate, UnitPrice, CustomerID, Country.*Needed"
    ):
        read(file)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (row(quantity="six"), r"line 3: Quantity 'six' is no number"),
        (row(quantity="1.5"), r"line 3: Quantity '1.5' is no whole number"),
        (row(price="NaN"), r"line 3: UnitPrice 'NaN' is no number"),
        (row(customer="a@b"), r"line 3: CustomerID 'a@b'"),
        ("536365,85123A", r"line 3: Quantity '' is no number"),
    ],
)
def test_an_unreadable_value_is_reported_with_its_line(line: str, words: str) -> None:
    with pytest.raises(BadFile, match=words):
        parse([HEADER, row(invoice="1"), line.replace("536365", "2", 1)])


def test_a_missing_binary_or_truncated_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="can't be read"):
        read(tmp_path / "nowhere.csv")
    binary, cut = tmp_path / "binary.csv", tmp_path / "cut.csv.gz"
    binary.write_bytes(b"\xff\xfe\x00")
    cut.write_bytes(gzip.compress((HEADER + "\n" + row()).encode())[:-12])
    with pytest.raises(BadFile, match="not UTF-8"):
        read(binary)
    with pytest.raises(BadFile, match="can't be read"):
        read(cut)


def test_a_file_with_only_skipped_lines_is_rejected() -> None:
    with pytest.raises(BadFile, match="holds no sale: 1 lines"):
        parse([HEADER, row(quantity="0")])
