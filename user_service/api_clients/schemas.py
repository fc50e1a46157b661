"""Bodies of requests and answers about API clients."""

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
    owner_id: UUID | None = Field(default=None, description="the person whom it belongs to; default: who creates it")
    expires_at: Time | None = Field(default=None, description="its end date; default: as late as may be")


class ApiClientChange(RequestBody):
    name: Name | None = None
    permissions: Permissions | None = None
    active: bool | None = Field(
        default=None, description="false: disabled, gets no tokens any more, and those that are out are refused"
    )
    owner_id: UUID | None = Field(default=None, description="hands it over: it is disabled when its owner is")
    expires_at: Time | None = Field(default=None, description="another end date")


class SecretOut(RowOut):
    id: UUID
    created_at: datetime
    last_used_at: datetime | None


class NewSecretOut(SecretOut):
    secret: str = Field(description="shown this once, kept only as a hash")


class ApiClientOut(BaseModel):
    id: UUID = Field(description="the `client_id` to ask for tokens with")
    name: str
    permissions: list[str]
    active: bool
    secrets: list[SecretOut]
    version: int
    created_by: UUID
    owner_id: UUID = Field(description="the person whom it belongs to: disabled or erased, the client is disabled too")
    expires_at: datetime | None = Field(description="its end date; null: made before clients had one")
    created_at: datetime

    @classmethod
    def of(cls, client: ApiClient, secrets: Sequence[ClientSecret]) -> "ApiClientOut":
        own = [SecretOut.of(secret) for secret in secrets if secret.client_id == client.id]
        return cls(**client.model_dump(), secrets=own)


class NewApiClientOut(ApiClientOut):
    secret: str = Field(description="shown this once, kept only as a hash")
