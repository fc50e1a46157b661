"""Errors with their status, type and text (RFC 9457); no web framework here, so that models can raise them.

A problem is a class; its docstring is the text for the caller, a template for the keyword arguments:

    class BalanceTooLow(Problem, status=409, type="gift-card-balance-too-low"):
        \"\"\"The card's balance is {balance}; {wanted} was requested.\"\"\"

    raise BalanceTooLow(wanted=300, balance=200)
"""

import inspect
import re
from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn


class Problem(Exception):
    """The request could not be carried out."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal error"
    always_headers: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls, status: int | None = None, type: str | None = None, title: str | None = None) -> None:
        super().__init_subclass__()
        if status is not None:
            cls.status = status
        if type is not None:
            cls.type = type
            cls.title = title or type.replace("-", " ").capitalize()

    def __init__(
        self,
        detail: str | None = None,
        *,
        retry_after: int | None = None,
        headers: dict[str, str] | None = None,
        **members: Any,
    ) -> None:
        self.members = members
        self.detail = detail or inspect.cleandoc(self.__doc__ or "").format(**members)
        self.headers = {**self.always_headers, **(headers or {})}
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)
        super().__init__(self.detail)

    def body(self, instance: str | None = None) -> dict[str, Any]:
        """The members of the `application/problem+json` response. Additional ones can't replace those of RFC 9457."""
        base = {"type": f"/problems/{self.type}", "title": self.title, "status": self.status, "detail": self.detail}
        base |= {"instance": instance} if instance else {}
        return base | {name: value for name, value in self.members.items() if name not in base}


def challenge(error: str, description: str = "", **parameters: str) -> dict[str, str]:
    """The header by which a resource server explains why it rejects a token (RFC 6750, 3)."""
    found = {"error": error, "error_description": description, **parameters}
    return {"WWW-Authenticate": "Bearer " + ", ".join(f'{name}="{value}"' for name, value in found.items() if value)}


class NotFound(Problem, status=404, type="not-found"):
    """There is no {resource} {id}, or it is not yours."""


class InvalidRequest(Problem, status=400, type="invalid-request"):
    """The request can't be understood: {reason}."""


class ValidationFailed(Problem, status=422, type="validation-failed"):
    """Some fields are missing or wrong; `errors` names them."""

    MOST: ClassVar[int] = 20

    @classmethod
    def of(cls, field: str, message: str, place: str = "body") -> "ValidationFailed":
        """A problem with one field, for a rule that concerns several; `place`: `body` or `query`."""
        return cls.naming([{"field": field, "in": place, "message": message}])

    @classmethod
    def naming(cls, errors: Sequence[dict[str, Any]], more: int = 0) -> "ValidationFailed":
        """A problem with the first of `errors`; `more`: the number of errors that are not in `errors`."""
        more += max(len(errors) - cls.MOST, 0)
        named = list(errors[: cls.MOST])
        if not more:
            return cls(errors=named)
        return cls(f"{cls.__doc__} There are at least {more} more.", errors=named, more_errors=more)


class Unauthenticated(Problem, status=401, type="unauthenticated"):
    """A valid access token is needed: sign in at the user service and send it as `Authorization: Bearer …`."""

    always_headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": "Bearer"}


class InvalidToken(Unauthenticated):
    """A valid access token is needed: sign in at the user service and send it as `Authorization: Bearer …`."""

    always_headers = challenge("invalid_token", "the access token is malformed, unknown or expired")


class Forbidden(Problem, status=403, type="forbidden"):
    """This needs the permission {permission}, which your token does not carry."""

    def __init__(self, detail: str | None = None, *, permission: str, **members: Any) -> None:
        super().__init__(
            detail,
            headers=challenge("insufficient_scope", "the access token lacks a permission", scope=permission),
            permission=permission,
            **members,
        )


class PreconditionFailed(Problem, status=412, type="precondition-failed"):
    """It was changed by someone else since you read it (now {current}): read it again and repeat your change."""


class TooManyRequests(Problem, status=429, type="too-many-requests"):
    """Too many requests: try again in {seconds} seconds."""


class Unavailable(Problem, status=503, type="unavailable"):
    """{what} can't be reached at the moment: try again shortly."""


class Busy(Problem, status=503, type="busy"):
    """Others are at work on the same things, and it took too long: nothing was done, try again shortly."""


def not_found(model: type | str, id: object) -> NoReturn:
    """Raises: NotFound, naming the model in words (`GiftCard` → "gift card")."""
    name = model if isinstance(model, str) else re.sub(r"(?<!^)(?=[A-Z])", " ", model.__name__)
    raise NotFound(resource=name.lower(), id=str(id))
