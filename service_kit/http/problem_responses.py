"""Errors as `application/problem+json` (RFC 9457), and their description in OpenAPI."""

import json
from functools import partial
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_jsonable_python
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from service_kit.problems import InvalidRequest, Problem, ValidationFailed
from service_kit.schemas import MORE_ERRORS

MEDIA_TYPE = "application/problem+json"
LONGEST_NAME, LONGEST_MESSAGE = 200, 500
_plain = partial(to_jsonable_python, by_alias=False, fallback=str)


class ProblemOut(BaseModel):
    """RFC 9457. Some problems have additional members."""

    model_config = ConfigDict(extra="allow", title="Problem")

    type: str = Field(examples=["/problems/not-found"])
    title: str = Field(examples=["Not found"])
    status: int = Field(examples=[404])
    detail: str
    instance: str | None = None


def problems(*kinds: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """The value of `responses=` for an operation: the problems that it can respond with, besides the usual ones."""
    answers: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        example = {"type": f"/problems/{kind.type}", "title": kind.title, "status": kind.status}
        content = answers.setdefault(kind.status, {"content": {MEDIA_TYPE: {"examples": {}}}})["content"][MEDIA_TYPE]
        content["examples"][kind.type] = {"value": {**example, "detail": (kind.__doc__ or "").strip()}}
        content["schema"] = {"$ref": "#/components/schemas/Problem"}
        answers[kind.status]["description"] = ", ".join(content["examples"])
    return answers


def problem_response(problem: Problem, instance: str) -> Response:
    body = json.dumps(problem.body(instance), default=_plain)
    return Response(body, status_code=problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def add_error_handlers(app: Starlette) -> None:
    app.exception_handlers |= {
        Problem: _on_problem,
        RequestValidationError: _on_invalid_request,
        HTTPException: _on_http_exception,
    }


async def _on_problem(request: Request, error: Problem) -> Response:
    return problem_response(error, request.url.path)


async def _on_invalid_request(request: Request, error: RequestValidationError) -> Response:
    found = error.errors()
    if found and found[0]["type"] == "json_invalid":
        reason = f"the body is no JSON ({found[0].get('ctx', {}).get('error', found[0]['msg'])})"
        return problem_response(InvalidRequest(reason=reason), request.url.path)
    more = sum(each["ctx"]["count"] for each in found if each["type"] == MORE_ERRORS)
    errors = [_named(each) for each in found if each["type"] != MORE_ERRORS]
    return problem_response(ValidationFailed.naming(errors, more), request.url.path)


def _named(error: Any) -> dict[str, str]:
    """The field and the message, shortened, since a name in the body can be as long as the body."""
    place, *path = map(str, error["loc"])
    return {"field": ".".join(path)[:LONGEST_NAME] or place, "in": place, "message": error["msg"][:LONGEST_MESSAGE]}


async def _on_http_exception(request: Request, error: HTTPException) -> Response:
    if isinstance(error.__cause__, Problem):  # FastAPI wraps errors of reading the body
        return problem_response(error.__cause__, request.url.path)
    kind = {404: "no-such-path", 405: "method-not-allowed"}.get(error.status_code, "http-error")
    problem = Problem(error.detail, headers=dict(error.headers or {}))
    if error.status_code == 405:
        problem.headers["Allow"] = ", ".join(_allowed_methods(request))
    title = kind.replace("-", " ").capitalize()
    body = {**problem.body(request.url.path), "type": f"/problems/{kind}", "title": title, "status": error.status_code}
    return Response(json.dumps(body), error.status_code, headers=problem.headers, media_type=MEDIA_TYPE)


def _allowed_methods(request: Request) -> list[str]:
    """The methods of all routes with this path: Starlette's own error names those of one route only."""
    routes = [each for each in request.app.routes if each.matches(request.scope)[0] is not Match.NONE]
    found = {method for each in routes for method in getattr(each, "methods", ())}
    return sorted(found | {"HEAD"} if "GET" in found else found)
