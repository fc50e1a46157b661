"""What the token endpoint refuses, and why."""

from typing import Any, ClassVar

from service_kit.problems import Problem


class TokenProblem(Problem):
    """Also says RFC 6749's word for it in `error`, for OAuth libraries."""

    error: ClassVar[str] = "invalid_request"

    def body(self, instance: str | None = None) -> dict[str, Any]:
        return {**super().body(instance), "error": self.error}


class InvalidGrant(TokenProblem, status=400, type="invalid-grant"):
    """E-mail address and password don't match, the refresh token is not good any more, or the account is disabled."""

    error = "invalid_grant"


class UnsupportedGrant(TokenProblem, status=400, type="unsupported-grant-type"):
    """Send {fields} with this `grant_type`."""

    error = "unsupported_grant_type"


class InvalidClient(TokenProblem, status=401, type="invalid-client"):
    """There is no such API client, its secret is another one, or it is disabled."""

    error = "invalid_client"
    always_headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": 'Basic realm="Online Mart"'}


class InvalidScope(TokenProblem, status=400, type="invalid-scope"):
    """This client may not {scope}."""

    error = "invalid_scope"


class MfaRequired(TokenProblem, status=400, type="mfa-required"):
    """The password is right, and a code of the second factor is needed: send it with `mfa_token`, within
    {expires_in} seconds, as grant `urn:online-mart:params:oauth:grant-type:mfa-otp`."""

    error = "mfa_required"


class WrongCode(TokenProblem, status=400, type="wrong-code"):
    """This code is not the one that the app shows, or it was used already."""

    error = "invalid_grant"
