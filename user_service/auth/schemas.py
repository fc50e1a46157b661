"""The grants of the token endpoint with their fields, and its response (RFC 6749, 5.1)."""

from pydantic import BaseModel, Field

MFA_OTP = "urn:online-mart:params:oauth:grant-type:mfa-otp"
GRANTS = {
    "password": "username, password, and otp where a second factor is set up",
    "refresh_token": "refresh_token",
    "client_credentials": "client_id and client_secret, as HTTP Basic or in the form",
    MFA_OTP: "mfa_token, otp",
}


class TokensOut(BaseModel):
    access_token: str
    refresh_token: str | None = Field(default=None, description="gives the next pair once; API clients get none")
    token_type: str = "Bearer"  # noqa: S105 (RFC 6749's word)
    expires_in: int = Field(description="seconds until the access token expires", examples=[600])
    scope: str = Field(description="the permissions, separated by spaces")
