"""Responses with a document to print, as a page or as PDF."""

from enum import StrEnum
from typing import Any

from starlette.responses import Response

from service_kit.printing import PAGE_POLICY, Paper, page_of, render_pdf


class PaperFormat(StrEnum):
    HTML = "html"
    PDF = "pdf"

    @property
    def media_type(self) -> str:
        return {PaperFormat.HTML: "text/html", PaperFormat.PDF: "application/pdf"}[self]


def paper_answers(*formats: PaperFormat) -> dict[int | str, dict[str, Any]]:
    """The value of `responses=` for an operation that responds with a document."""
    return {200: {"content": {each.media_type: {"schema": {"type": "string"}} for each in formats or PaperFormat}}}


async def paper_response(paper: Paper, name: str, format: PaperFormat) -> Response:
    """Shown by browsers, and saved under `name`. It contains personal data, so nothing in between may store it."""
    headers = {
        "Cache-Control": "no-store",
        "X-Robots-Tag": "noindex",
        "Content-Disposition": f'inline; filename="{name}.{format}"',
    }
    if format is PaperFormat.PDF:
        return Response(await render_pdf(paper), headers=headers, media_type=format.media_type)
    headers["Content-Security-Policy"] = PAGE_POLICY
    return Response(page_of(paper), headers=headers, media_type=format.media_type)
