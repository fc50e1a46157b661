"""Completes the OpenAPI document with the sign-in URL and the usual problems of each operation, and adds its pages."""

from functools import cache
from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from service_kit.http.headers import page_policy
from service_kit.http.problem_responses import MEDIA_TYPE, ProblemOut

ASSETS = Path(fastapi_offline.__file__).parent / "static"


def describe(app: FastAPI, *, token_url: str) -> None:
    """Replaces `app.openapi` by a function that adds what FastAPI can't derive from the routes."""
    generate = app.openapi

    @cache
    def openapi() -> dict[str, Any]:
        document = generate()
        _complete(document, token_url)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any], token_url: str) -> None:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = ProblemOut.model_json_schema()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for scheme in components.get("securitySchemes", {}).values():
        scheme["flows"]["password"]["tokenUrl"] = token_url
    for operations in document["paths"].values():
        for operation in operations.values():
            _add_usual_problems(operation)


def _add_usual_problems(operation: dict[str, Any]) -> None:
    usual = {"503": "the database, or a key to verify tokens with, can't be reached: see Retry-After"}
    if operation.get("security"):
        usual["401"] = "no valid access token"
        usual["403"] = "the token lacks the permission"
    if operation.get("parameters"):
        usual["400"] = "a text can't be stored, or the cursor is not one of this list's"
    if "requestBody" in operation:
        usual |= {"400": "the body is no JSON, or a text of it can't be stored", "413": "the body is too large"}
    if "422" in operation["responses"]:
        usual["422"] = "a field is missing or wrong; `errors` names each"
        if MEDIA_TYPE not in operation["responses"]["422"].get("content", {}):
            del operation["responses"]["422"]
    schema = {"$ref": "#/components/schemas/Problem"}
    for status, description in usual.items():
        operation["responses"].setdefault(
            status, {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}
        )


def add_pages(app: FastAPI, *, token_url: str) -> None:
    """Swagger UI at /docs and ReDoc at /redoc, from files of our own: no CDN."""

    pages = {
        "/docs": get_swagger_ui_html(
            openapi_url="openapi.json",
            title=app.title,
            swagger_js_url="docs-assets/swagger-ui-bundle.js",
            swagger_css_url="docs-assets/swagger-ui.css",
            swagger_favicon_url="docs-assets/favicon.png",
            swagger_ui_parameters={
                "persistAuthorization": True,
                "displayRequestDuration": True,
                "docExpansion": "list",
            },
        ),
        "/redoc": get_redoc_html(
            openapi_url="openapi.json",
            title=app.title,
            redoc_js_url="docs-assets/redoc.standalone.js",
            redoc_favicon_url="docs-assets/favicon.png",
            with_google_fonts=False,
        ),
    }
    for path, page in pages.items():
        page.headers["Content-Security-Policy"] = page_policy(bytes(page.body).decode(), token_url)
        app.router.routes.append(Route(path, page, methods=["GET"]))
    app.mount("/docs-assets", StaticFiles(directory=ASSETS), name="docs-assets")
