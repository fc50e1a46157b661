"""Request and response bodies of API clients."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from service_kit.schemas import RequestBody, RowOut, examples
from service_kit.text import Printable, Trimmed
from service_kit.times import Time
from user_service.api_clients.models import ApiClient, ClientSecret
from user_service.roles.schemas import Permissions

Name = Annotated[str, Trimmed(100), Printable]


class ApiClientIn(RequestBody):
    model_config = examples({"name": "warehouse robots", "permissions": ["stock:read", "stock:receive"]})

    name: Name
    permissions: Permissions
    owner_id: UUID | None = Field(default=None, description="the account that it belongs to; default: the caller's")
    expires_at: Time | None = Field(default=None, description="its end date; default: the latest allowed")


class ApiClientChange(RequestBody):
    name: Name | None = None
    permissions: Permissions | None = None
    active: bool | None = Field(
        default=None, description="false: it gets no tokens, and tokens that were issued to it are rejected"
    )
    owner_id: UUID | None = Field(default=None, description="the new owner's account")
    expires_at: Time | None = Field(default=None, description="the new end date")


class SecretOut(RowOut):
    id: UUID
    created_at: datetime
    last_used_at: datetime | None


class NewSecretOut(SecretOut):
    secret: str = Field(description="only this response shows it")


class ApiClientOut(BaseModel):
    id: UUID = Field(description="the `client_id` for `POST /auth/token`")
    name: str
    permissions: list[str]
    active: bool
    secrets: list[SecretOut]
    version: int
    created_by: UUID
    owner_id: UUID = Field(description="when this account is disabled or erased, the client is disabled too")
    expires_at: datetime | None = Field(description="its end date; null: it was created before end dates existed")
    created_at: datetime

    @classmethod
    def of(cls, client: ApiClient, secrets: Sequence[ClientSecret]) -> "ApiClientOut":
        own = [SecretOut.of(secret) for secret in secrets if secret.client_id == client.id]
        return cls(**client.model_dump(), secrets=own)


class NewApiClientOut(ApiClientOut):
    secret: str = Field(description="only this response shows it")
