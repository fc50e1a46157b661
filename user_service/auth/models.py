"""The problems of the token endpoint."""

from typing import Any, ClassVar

from service_kit.problems import Problem


def oauth_members(error: str, detail: str) -> dict[str, str]:
    """The members that RFC 6749 (5.2) requires. Double quotes, backslashes, line breaks and non-ASCII characters, which
    it forbids in the description, are replaced or removed."""
    plain = detail.replace('"', "'").replace("\\", "/").replace("\n", " ").encode("ascii", "ignore").decode()
    return {"error": error, "error_description": plain}


class TokenProblem(Problem):
    """A problem that also has the members `error` and `error_description` of RFC 6749, for OAuth libraries."""

    error: ClassVar[str | None] = None
    """The error code of RFC 6749; None: the problem's type, with underscores."""
    always_headers: ClassVar[dict[str, str]] = {"Cache-Control": "no-store"}

    def body(self, instance: str | None = None) -> dict[str, Any]:
        error = self.error or self.type.replace("-", "_")
        return {**super().body(instance), **oauth_members(error, self.detail)}


class InvalidTokenRequest(TokenProblem, status=400, type="invalid-request"):
    """This is no request that the endpoint understands: {reason}."""


class UnauthorizedClient(TokenProblem, status=400, type="unauthorized-client"):
    """This client may not send people's passwords here: the setting USER_PASSWORD_GRANT_CLIENTS names those that may,
    and `client_id` says which one asks."""


class UnsupportedTokenType(TokenProblem, status=400, type="unsupported-token-type"):
    """An API client's access token can't be revoked by itself: disable the client, or wait for its end."""


class InvalidGrant(TokenProblem, status=400, type="invalid-grant"):
    """E-mail address and password don't match, the refresh token is not good any more, or the account is disabled."""


class UnsupportedGrant(TokenProblem, status=400, type="unsupported-grant-type"):
    """There is no such `grant_type` here: send {fields}."""


class InvalidClient(TokenProblem, status=401, type="invalid-client"):
    """There is no such API client, its secret is another one, or it is disabled."""

    always_headers: ClassVar[dict[str, str]] = {
        "Cache-Control": "no-store",
        "WWW-Authenticate": 'Basic realm="Online Mart"',
    }


class InvalidScope(TokenProblem, status=400, type="invalid-scope"):
    """This client may not {scope}."""


class MfaRequired(TokenProblem, status=400, type="mfa-required"):
    """The password is right, and a code of the second factor is needed: send it with `mfa_token`, within
    {expires_in} seconds, as grant `urn:online-mart:params:oauth:grant-type:mfa-otp`."""


class WrongCode(TokenProblem, status=400, type="wrong-code"):
    """This code is not the one that the app shows, or it was used already."""

    error = "invalid_grant"
