"""Request bodies of a change of the e-mail address."""

from typing import Annotated

from pydantic import Field, StringConstraints

from service_kit.schemas import RequestBody, examples
from user_service.emails import EmailAddress
from user_service.passwords.schemas import Typed


class EmailChange(RequestBody):
    model_config = examples({"new_email": "ada@example.org", "present_password": "correct horse battery"})

    new_email: EmailAddress
    present_password: Typed
    otp: Annotated[str, StringConstraints(max_length=40)] | None = Field(
        default=None, description="a code of the second factor, if one is set up"
    )
