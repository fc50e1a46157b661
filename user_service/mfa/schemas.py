"""Bodies of requests and answers about the second factor."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from service_kit.schemas import RequestBody
from user_service.accounts.passwords import LONGEST

Code = Annotated[str, StringConstraints(strip_whitespace=True, min_length=6, max_length=40)]
PresentPassword = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST)]


class MfaOut(BaseModel):
    enabled: bool
    enabled_at: datetime | None
    recovery_codes_left: int


class PasswordProof(RequestBody):
    password: PresentPassword


class CodeProof(RequestBody):
    code: Code = Field(description="of the app", examples=["492039"])


class Proof(RequestBody):
    """One of both."""

    model_config = ConfigDict(json_schema_extra={"example": {"code": "492039"}})

    password: PresentPassword | None = None
    code: Code | None = Field(default=None, description="of the app, or a recovery code")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.password is None) == (self.code is None):
            raise ValueError("send either password or code")
        return self


class TotpOut(BaseModel):
    secret: str = Field(description="to type into the app; shown this once")
    uri: str = Field(description="the same to scan, as a QR code", examples=["otpauth://totp/Online%20Mart:ada…"])


class RecoveryCodesOut(BaseModel):
    recovery_codes: list[str] = Field(description="each signs in once without the app; shown this once")
