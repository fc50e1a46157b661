"""Bodies of requests about another e-mail address."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from user_service.emails import EmailAddress
from user_service.passwords.schemas import MailedToken, Typed


class EmailChange(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"new_email": "ada@example.org", "present_password": "correct horse battery"}},
    )

    new_email: EmailAddress
    present_password: Typed
    otp: Annotated[str, StringConstraints(max_length=40)] | None = Field(
        default=None, description="a code of the second factor, where one is set up"
    )


class EmailConfirmation(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"token": "the code of the mail"}})

    token: MailedToken
