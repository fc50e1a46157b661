"""Request and response bodies of roles and permissions."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from contracts.permissions import Permission, Role
from service_kit.schemas import RequestBody, examples
from user_service.roles.models import BUILT_IN, OwnRole

RoleName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{1,39}$")]


def _once(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _sorted(values: list[Permission]) -> list[Permission]:
    return sorted(set(values))


def _assignable(names: list[str]) -> list[str]:
    if Role.GUEST in names:
        raise ValueError("Guest is the role of accounts without a password: it can't be assigned")
    return names


RoleNames = Annotated[
    list[RoleName], Field(min_length=1, max_length=20), AfterValidator(_once), AfterValidator(_assignable)
]
Permissions = Annotated[list[Permission], Field(max_length=len(Permission)), AfterValidator(_sorted)]
Description = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]


class RoleIn(RequestBody):
    model_config = examples(
        {
            "name": "Packer",
            "description": "Packs and hands over parcels",
            "permissions": ["shipments:read", "shipments:dispatch"],
        }
    )

    name: RoleName
    description: Description = ""
    permissions: Permissions


class RoleChange(RequestBody):
    description: Description | None = None
    permissions: Permissions | None = None


class RoleOut(BaseModel):
    name: str
    description: str
    permissions: list[str]
    built_in: bool
    version: int
    created_at: datetime | None = Field(description="null for built-in roles")

    @classmethod
    def of(cls, role: OwnRole) -> "RoleOut":
        built_in = role.name in BUILT_IN
        fields = role.model_dump(exclude={"created_at"})
        return cls(**fields, built_in=built_in, created_at=None if built_in else role.created_at)


class RolesOut(BaseModel):
    items: list[RoleOut]


class PermissionOut(BaseModel):
    name: str
    description: str


class PermissionsOut(BaseModel):
    items: list[PermissionOut]
