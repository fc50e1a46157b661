"""Renders a document as PDF (A4).

The same document always has the same bytes. A table of 2,000 rows takes seconds of CPU time: `render_pdf` renders in a
thread, and one document after the other, so that requests are served meanwhile.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import cast

from fontTools.ttLib import TTFont
from fpdf import FPDF, XPos, YPos
from fpdf.enums import MethodReturnValue

from service_kit.printing.paper import Column, Paper

FONTS = Path(__file__).parent / "fonts"
TEXT, CJK = "DejaVu", "Droid"
_FILES = {"": "DejaVuSansCondensed.ttf", "B": "DejaVuSansCondensed-Bold.ttf"}
_CJK_FILE = "DroidSansFallback.ttf"
_SIZE, _ROW, _SMALLEST = 8.5, 4.2, 4.0
"""Font size in points, height of a line of text in millimetres, and the size down to which long figures shrink."""
MOST_ROWS = 45
"""The most rows of a table on one page, however short they are."""
_GREY = (110, 110, 110)
_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="printing")


async def render_pdf(paper: Paper) -> bytes:
    return await asyncio.get_running_loop().run_in_executor(_THREAD, pdf_of, paper)


def pdf_of(paper: Paper) -> bytes:
    pdf = _Pdf(paper)
    pdf.add_page()
    pdf.print_heading()
    pdf.print_blocks()
    pdf.print_table(paper.columns, paper.rows)
    if paper.summary:
        pdf.ln(_ROW)
        figures = [Column(title, 28, right=True) for title in paper.summary[0]]
        pdf.print_table(figures, paper.summary[1:], indent=190 - 28 * len(figures))
    pdf.print_sums(paper.sums)
    pdf.print_notes(paper.notes)
    return bytes(pdf.output())


@cache
def _characters(file: str) -> frozenset[int]:
    """The characters that a font has."""
    with TTFont(FONTS / file, lazy=True) as font:
        return frozenset(font.getBestCmap())


def _needs_cjk(texts: Iterable[str]) -> bool:
    return any(ord(character) not in _characters(_FILES[""]) for text in texts for character in text)


class _Pdf(FPDF):
    def __init__(self, paper: Paper) -> None:
        super().__init__(format="A4")
        self._paper = paper
        self.set_margin(10)
        self.set_auto_page_break(True, margin=16)
        self.set_creation_date(paper.created_at)
        self.set_title(paper.title)
        self.set_lang("en")
        for style, file in _FILES.items():
            self.add_font(TEXT, style, FONTS / file)
        if _needs_cjk(paper.texts()):  # reading this font takes a tenth of a second
            self.add_font(CJK, "", FONTS / _CJK_FILE)
            self.set_fallback_fonts([CJK], exact_match=False)

    def footer(self) -> None:
        self.set_y(-12)
        self._font(7.5, grey=True)
        self.cell(120, _ROW, self._paper.title)
        self.cell(0, _ROW, f"Page {self.page_no()} of {{nb}}", align="R")

    def print_heading(self) -> None:
        self._font(16, "B")
        self.multi_cell(0, 9, self._paper.title, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(3)

    def print_blocks(self) -> None:
        """Three beside each other."""
        for first in range(0, len(self._paper.blocks), 3):
            top, bottom = self.get_y(), self.get_y()
            for n, block in enumerate(self._paper.blocks[first : first + 3]):
                left = self.l_margin + n * 64
                self.set_xy(left, top)
                self._font(7.5, grey=True)
                self.cell(60, _ROW, block.title, new_x=XPos.LEFT, new_y=YPos.NEXT)
                self._font()
                for line in block.lines:
                    self.multi_cell(60, _ROW, line, align="L", new_x=XPos.LEFT, new_y=YPos.NEXT)
                bottom = max(bottom, self.get_y())
            self.set_xy(self.l_margin, bottom + 4)

    def print_table(self, columns: Sequence[Column], rows: Sequence[Sequence[str]], indent: float = 0) -> None:
        """A row stays on one page; each page begins with the titles."""
        self._print_titles(columns, indent)
        on_page = 0
        for row in rows:
            cells = [self._wrapped(column, text) for column, text in zip(columns, row, strict=True)]
            height = _ROW * max(map(len, cells)) + 0.8
            if on_page == MOST_ROWS or self.will_page_break(height):
                self.add_page()
                self._print_titles(columns, indent)
                on_page = 0
            self._print_row(columns, cells, height, indent)
            on_page += 1

    def print_sums(self, sums: Sequence[tuple[str, str]]) -> None:
        if not sums:
            return
        if self.will_page_break(len(sums) * 5.5 + 3):
            self.add_page()
        self.ln(3)
        for n, (label, figure) in enumerate(sums):
            self._font(10, "B" if n == len(sums) - 1 else "")
            self.set_x(self.l_margin + 80)
            self.cell(60, 5.5, label, align="R")
            self.cell(0, 5.5, figure, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def print_notes(self, notes: Sequence[str]) -> None:
        self.ln(4)
        self._font()
        for note in notes:
            self.multi_cell(0, _ROW, note, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
            self.ln(1)

    def _font(self, size: float = _SIZE, style: str = "", *, grey: bool = False) -> None:
        self.set_font(TEXT, style, size)
        self.set_text_color(*(_GREY if grey else (0, 0, 0)))

    def _print_titles(self, columns: Sequence[Column], indent: float) -> None:
        self._font(7.5, "B")
        self._in_columns(columns, indent, lambda n: [columns[n].title])
        self.ln(_ROW + 0.8)
        self.line(self.l_margin + indent, self.get_y(), self.w - self.r_margin, self.get_y())
        self.ln(0.8)
        self._font()

    def _print_row(self, columns: Sequence[Column], cells: Sequence[Sequence[str]], height: float, left: float) -> None:
        self._in_columns(columns, left, lambda n: cells[n])
        self.ln(height)

    def _in_columns(self, columns: Sequence[Column], indent: float, lines: Callable[[int], Sequence[str]]) -> None:
        """Prints the cells of one row, without moving down."""
        top, left = self.get_y(), self.l_margin + indent
        for n, column in enumerate(columns):
            for at, line in enumerate(lines(n)):
                self.set_xy(left, top + at * _ROW)
                self._print_fitting(column, line)
            left += column.width
        self.set_xy(self.l_margin, top)

    def _print_fitting(self, column: Column, text: str) -> None:
        """A long figure gets smaller, since a figure in two lines could be read as two."""
        size = self.font_size_pt
        room = column.width - 2 * self.c_margin
        if (width := self.get_string_width(text)) > room:
            self.set_font_size(max(_SMALLEST, size * room / width))
        self.cell(column.width, _ROW, text, align="R" if column.right else "L")
        self.set_font_size(size)

    def _wrapped(self, column: Column, text: str) -> Sequence[str]:
        if column.right or self.get_string_width(text) <= column.width - 2 * self.c_margin:
            return [text]
        lines = self.multi_cell(column.width, _ROW, text, align="L", dry_run=True, output=MethodReturnValue.LINES)
        return cast(list[str], lines)
