"""Request bodies of guests."""

from pydantic import Field

from service_kit.schemas import RequestBody, examples
from user_service.emails import EmailAddress
from user_service.mails.models import MailedToken
from user_service.passwords.schemas import Password


class GuestIn(RequestBody):
    model_config = examples({"email": "ada@example.com"}, {})

    email: EmailAddress | None = Field(default=None, description="for mails about the guest's orders")


class GuestEmail(RequestBody):
    model_config = examples({"email": "ada@example.com"})

    email: EmailAddress


class Claim(RequestBody):
    model_config = examples({"token": "the code of the mail", "password": "staple orbit lantern"})

    token: MailedToken
    password: Password | None = Field(default=None, description="makes the guest a registered account")


class GuestOrders(RequestBody):
    model_config = examples({"token": "the code of the mail"})

    token: MailedToken
