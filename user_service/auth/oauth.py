"""Errors of the OAuth endpoints, which have the members of RFC 6749 too, and never status 422."""

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from service_kit.http.router import Route
from service_kit.problems import Problem
from user_service.auth.models import InvalidTokenRequest, TokenProblem, oauth_members

# RFC 6749 has no error code for these statuses at the token endpoint. The authorization endpoint's code means the same.
TRY_LATER, LATER = (429, 503), "temporarily_unavailable"


class OAuthRoute(Route):
    """Adapts errors to OAuth libraries, which read `error`, and expect status 400 or 401 for an invalid request."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_oauth(request: Request) -> Response:
            try:
                await _reject_repeated(request)
                return await handle(request)
            except RequestValidationError as error:
                raise _invalid(error) from error
            except HTTPException as error:
                if error.status_code != 400 or isinstance(error.__cause__, Problem):
                    raise
                raise InvalidTokenRequest(reason="the body is no form") from error
            except TokenProblem:
                raise
            except Problem as problem:
                word = LATER if problem.status in TRY_LATER else "invalid_request"
                problem.members |= oauth_members(word, problem.detail)
                problem.headers.setdefault("Cache-Control", "no-store")
                raise

        return handle_oauth


async def _reject_repeated(request: Request) -> None:
    """No parameter may be sent twice (RFC 6749, 3.2). Raises: InvalidTokenRequest."""
    names = Counter(name for name, _ in (await request.form()).multi_items())
    if repeated := sorted(name for name, times in names.items() if times > 1):
        raise InvalidTokenRequest(reason=f"{', '.join(repeated)[:200]} came more than once")


def _invalid(error: RequestValidationError) -> InvalidTokenRequest:
    errors = [
        {"field": str(each["loc"][-1]), "in": str(each["loc"][0]), "message": each["msg"]} for each in error.errors()
    ]
    fields = ", ".join(sorted({each["field"] for each in errors}))
    return InvalidTokenRequest(reason=f"{fields} is missing or wrong", errors=errors)
