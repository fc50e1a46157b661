"""Request and response bodies of the second factor."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from service_kit.schemas import RequestBody, examples
from user_service.passwords.strength import LONGEST

Code = Annotated[str, StringConstraints(strip_whitespace=True, min_length=6, max_length=40)]
PresentPassword = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST)]


class MfaOut(BaseModel):
    enabled: bool
    enabled_at: datetime | None
    recovery_codes_left: int


class PasswordProof(RequestBody):
    password: PresentPassword


class CodeProof(RequestBody):
    code: Code = Field(description="the code that the app shows", examples=["492039"])


class Proof(PasswordProof):
    """Both are required, so that a stolen password or phone alone can't change the second factor."""

    model_config = examples({"password": "correct horse battery", "code": "492039"})

    code: Code = Field(description="the code that the app shows, or a recovery code")


class TotpOut(BaseModel):
    secret: str = Field(description="to type into the app; only this response shows it")
    uri: str = Field(description="the same as a URI, for a QR code", examples=["otpauth://totp/Online%20Mart:ada…"])


class RecoveryCodesOut(BaseModel):
    recovery_codes: list[str] = Field(description="each replaces the app once; only this response shows them")
