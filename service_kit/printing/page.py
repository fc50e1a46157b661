"""Renders a document as an HTML page without scripts, which needs nothing else and can be printed."""

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from service_kit.printing.paper import Paper

_TEMPLATES = Path(__file__).parent / "templates"
_CSS = (_TEMPLATES / "paper.css").read_text()
_DIGEST = base64.b64encode(hashlib.sha256(_CSS.encode()).digest()).decode()
PAGE_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""The Content-Security-Policy of the page: its own style, and nothing else."""


def page_of(paper: Paper) -> str:
    return _template().render(paper=paper, css=Markup(_CSS))  # noqa: S704 (our own file)


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    return environment.get_template("paper.html")
