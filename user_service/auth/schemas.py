"""The answer of the token endpoint (RFC 6749, 5.1)."""

from pydantic import BaseModel, Field


class TokensOut(BaseModel):
    access_token: str
    refresh_token: str
    token_type: str = "Bearer"  # noqa: S105 (RFC 6749's word)
    expires_in: int = Field(description="seconds until the access token ends", examples=[600])
    scope: str = Field(description="the permissions, separated by spaces")
