"""Documents on paper, as PDF and as a page: in Latin, Greek, Cyrillic and CJK letters."""

from service_kit.printing.page import PAGE_POLICY, page_of
from service_kit.printing.paper import Block, Column, Paper
from service_kit.printing.pdf import render_pdf

__all__ = ["PAGE_POLICY", "Block", "Column", "Paper", "page_of", "render_pdf"]
