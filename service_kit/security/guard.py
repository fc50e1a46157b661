"""Authorization of operations: each requires permissions or is PUBLIC, which the OpenAPI document shows."""

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.openapi.models import OAuth2, OAuthFlowPassword, OAuthFlows
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase

from contracts.permissions import SENSITIVE, is_known
from service_kit.audit import actor
from service_kit.http.sessions import database_of
from service_kit.problems import Forbidden, Problem, Unauthenticated
from service_kit.security import account_status
from service_kit.security.principal import Principal
from service_kit.telemetry import caller

PUBLIC: dict[str, Any] = {"security": []}
"""The `openapi_extra` of an operation that anyone may call."""

PUBLIC_OR_SIGNED_IN: dict[str, Any] = {"security": [{}, {"OAuth2": []}]}
"""As PUBLIC, for an operation with a MaybePrincipal: Swagger UI sends a token only to operations that declare one."""


class PersonRequired(Problem, status=404, type="person-required"):
    """There is none: it would belong to a person who has signed in, and you call as an API client."""


class _Guard(SecurityBase):
    """Reads the bearer token, verifies it and checks that it has the permissions that the operation requires.

    For every operation, the verifier rejects accounts, API clients and sessions that were closed recently. Permissions
    that an active account has lost are looked up only if they are sensitive.
    """

    def __init__(self, *, of_person: bool = False) -> None:
        self._of_person = of_person
        # `openapi.describe` replaces this path by the URL of the user service.
        self.model = OAuth2(flows=OAuthFlows(password=OAuthFlowPassword(tokenUrl="/auth/token", scopes={})))
        self.scheme_name = "OAuth2"

    async def __call__(self, request: Request, required: SecurityScopes) -> Principal:
        who = _verify(request)
        for permission in required.scopes:
            if permission not in who.permissions:
                raise Forbidden(permission=permission)
        if sensitive := SENSITIVE.intersection(required.scopes):
            await still_may(request, who, sensitive)
        if self._of_person and not who.is_person:
            raise PersonRequired
        actor.remember(who, request.scope)
        return who


def _verify(request: Request) -> Principal:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated
    who: Principal = request.app.state.runtime.tokens.verify(token.strip())
    caller.current.set(("user_id", who.user_id) if who.is_person else ("client_id", who.client_id))
    return who


async def still_may(request: Request, who: Principal, permissions: Iterable[str]) -> None:
    """Checks that the account still has these permissions of its token. Raises: PermissionRevoked, SessionOver."""
    async with database_of(request).connection() as db:
        await account_status.check(db, who, permissions)


async def _verify_if_given(request: Request) -> Principal | None:
    if "Authorization" not in request.headers:
        return None
    who = _verify(request)
    actor.remember(who, request.scope)
    return who


_guard, _guard_of_person = _Guard(), _Guard(of_person=True)

MaybePrincipal = Annotated[Principal | None, Depends(_verify_if_given)]
"""The caller of a PUBLIC operation that shows more to some callers. A token is optional; an invalid one is rejected."""


def Requires(*permissions: str, of_person: bool = False) -> Any:  # noqa: N802 (reads as a type: `who: Annotated[Principal, Requires("…")]`)
    """The caller must have all of these permissions; without any, a valid token is enough.

    The account must still have those that are sensitive (contracts/permissions.py). `of_person`: the operation is about
    the caller's own data; API clients, which have none, get a 404.
    """
    for permission in permissions:
        if not is_known(permission):
            raise ValueError(f"{permission!r} is not in contracts/permissions.py")
    return Security(_guard_of_person if of_person else _guard, scopes=list(permissions))
