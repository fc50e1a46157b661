"""Request and response bodies of passwords."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from service_kit.schemas import RequestBody, RowOut, examples
from user_service.emails import EmailAddress
from user_service.mails.models import MailedToken
from user_service.passwords.strength import LONGEST, SHORTEST, of_good_length

# The length before normalisation, which may merge several characters into one.
Typed = Annotated[str, StringConstraints(max_length=4 * LONGEST)]
Password = Annotated[
    Typed,
    AfterValidator(of_good_length),
    Field(
        description=f"{SHORTEST} to {LONGEST} characters of any kind, none of them required; not easily guessed",
        json_schema_extra={"minLength": SHORTEST, "maxLength": LONGEST},
    ),
]


class PasswordChange(RequestBody):
    model_config = examples({"present_password": "correct horse battery", "new_password": "staple orbit lantern"})

    present_password: Typed
    new_password: Password


class ResetRequest(RequestBody):
    model_config = examples({"email": "ada@example.com"})

    email: EmailAddress


class Reset(RequestBody):
    model_config = examples({"token": "the code of the mail", "new_password": "staple orbit lantern"})

    token: MailedToken
    new_password: Password


class StrengthRequest(RequestBody):
    model_config = examples({"password": "ada-1815", "email": "ada@example.com"})

    password: Password
    email: Annotated[str, StringConstraints(max_length=320)] = ""
    full_name: Annotated[str, StringConstraints(max_length=200)] = ""


class StrengthOut(RowOut):
    score: int = Field(ge=0, le=4, description="from 0 (among the first guesses) to 4 (practically unguessable)")
    acceptable: bool = Field(description="whether registration would accept it")
    warning: str = Field(description="why it is weak; may be empty", examples=["This is a very common password."])
    suggestions: list[str] = Field(description="how to improve it")
