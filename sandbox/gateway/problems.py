"""Errors of the gateway, in the format `application/problem+json`."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse


class Rejected(Exception):
    def __init__(self, status: int, type: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.type, self.detail = status, type, detail


def key_reused() -> Rejected:
    return Rejected(422, "idempotency-key-reused", "This Idempotency-Key was used before with another request.")


def problem(status: int, type: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> JSONResponse:
    body = {"type": type, "title": type.replace("-", " ").capitalize(), "status": status, "detail": detail, **more}
    return JSONResponse(body, status, headers, media_type="application/problem+json")


async def on_rejected(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Rejected)
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
    return problem(error.status, error.type, error.detail, headers)


async def on_invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return _invalid([(one["loc"], one["msg"]) for one in error.errors()])


async def on_invalid_body(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ValidationError)
    return _invalid([(("body", *one["loc"]), one["msg"]) for one in error.errors()])


def _invalid(errors: list[tuple[tuple[int | str, ...], str]]) -> JSONResponse:
    named = [{"field": ".".join(map(str, field)), "message": message} for field, message in errors]
    return problem(422, "invalid-request", "The request is not valid.", errors=named)


async def on_http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, "http-error", str(error.detail), error.headers)


async def on_books_error(_: Request, __: Exception) -> JSONResponse:
    return problem(503, "books-unavailable", "The books can't be read or written now.", {"Retry-After": "1"})
