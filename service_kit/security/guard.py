"""Authorization of operations: each names permissions or is PUBLIC; OpenAPI shows which."""

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
"""Given to an operation as `openapi_extra`: anyone may call it."""

PUBLIC_OR_SIGNED_IN: dict[str, Any] = {"security": [{}, {"OAuth2": []}]}
"""As PUBLIC, where a MaybePrincipal may see more: Swagger UI sends a token only where one is declared."""


class PersonRequired(Problem, status=404, type="person-required"):
    """There is none: it would belong to a person who has signed in, and you call as an API client."""


class _Guard(SecurityBase):
    """Reads the bearer token, verifies it and looks for the permissions that the operation asks for.

    The verifier rejects what was closed lately (an account, an API client, a session), for every operation; permissions
    that an active account has lost are looked up for the sensitive ones.
    """

    def __init__(self, *, of_person: bool = False) -> None:
        self._of_person = of_person
        # create_app puts the user service's real address in when it writes the OpenAPI document.
        self.model = OAuth2(flows=OAuthFlows(password=OAuthFlowPassword(tokenUrl="/auth/token", scopes={})))
        self.scheme_name = "OAuth2"

    async def __call__(self, request: Request, asked: SecurityScopes) -> Principal:
        who = _verify(request)
        for permission in asked.scopes:
            if permission not in who.permissions:
                raise Forbidden(permission=permission)
        if sensitive := SENSITIVE.intersection(asked.scopes):
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
    """Checks the current permissions of the account, which may be less than its token's. Raises: PermissionRevoked."""
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
"""For a PUBLIC operation that shows more to who may see more; a token that is sent must be valid."""


def Requires(*permissions: str, of_person: bool = False) -> Any:  # noqa: N802 (reads as a type: `who: Annotated[Principal, Requires("…")]`)
    """The caller must carry all of these permissions; with none named, a valid token is enough.

    The account must still hold those that are sensitive (contracts/permissions.py). `of_person`: it is about something
    of the caller's own, which an API client can't have.
    """
    for permission in permissions:
        if not is_known(permission):
            raise ValueError(f"{permission!r} is not in contracts/permissions.py")
    return Security(_guard_of_person if of_person else _guard, scopes=list(permissions))
