"""The OpenAPI document: the sign-in address, the usual problems of every operation, and the pages that show it."""

from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from service_kit.http.headers import page_policy
from service_kit.http.problem_responses import MEDIA_TYPE, METHODS, ProblemOut

ASSETS = Path(fastapi_offline.__file__).parent / "static"


def describe(app: FastAPI, *, token_url: str) -> None:
    """Replaces `app.openapi` by one that fills in what the routes alone can't say."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            _complete(document, token_url)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any], token_url: str) -> None:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = ProblemOut.model_json_schema()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for scheme in components.get("securitySchemes", {}).values():
        scheme["flows"]["password"]["tokenUrl"] = token_url
    for path in document["paths"].values():
        for method in METHODS:
            if method in path:
                _add_usual_problems(path[method])


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

    def guarded(page: HTMLResponse) -> HTMLResponse:
        page.headers["Content-Security-Policy"] = page_policy(bytes(page.body).decode(), token_url)
        return page

    app.mount("/docs-assets", StaticFiles(directory=ASSETS), name="docs-assets")

    @app.get("/docs", include_in_schema=False)
    async def swagger() -> HTMLResponse:
        page = get_swagger_ui_html(
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
        )
        return guarded(page)

    @app.get("/redoc", include_in_schema=False)
    async def redoc() -> HTMLResponse:
        page = get_redoc_html(
            openapi_url="openapi.json",
            title=app.title,
            redoc_js_url="docs-assets/redoc.standalone.js",
            redoc_favicon_url="docs-assets/favicon.png",
            with_google_fonts=False,
        )
        return guarded(page)
