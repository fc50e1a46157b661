"""Saved addresses. No other service reads them: an order stores a copy of the address that it is shipped to."""

from typing import Any
from uuid import UUID

from service_kit.concurrency import Expected
from service_kit.database import Session
from service_kit.problems import not_found
from user_service.accounts import queries as accounts
from user_service.addresses import queries
from user_service.addresses.models import MAX_ADDRESSES, SavedAddress, TooManyAddresses


async def add(tx: Session, account_id: UUID, fields: dict[str, Any]) -> SavedAddress:
    """Raises: NotFound, if the account was erased meanwhile; TooManyAddresses."""
    await accounts.lock(tx, account_id) or not_found("account", account_id)
    if await queries.count(tx, account_id) >= MAX_ADDRESSES:
        raise TooManyAddresses(most=MAX_ADDRESSES)
    address = SavedAddress(account_id=account_id, **fields)
    tx.add(address)
    return address


async def read(tx: Session, account_id: UUID, address_id: UUID) -> SavedAddress:
    return await queries.lock(tx, account_id, address_id) or not_found("address", address_id)


async def replace(
    tx: Session, account_id: UUID, address_id: UUID, expected: Expected, fields: dict[str, Any]
) -> SavedAddress:
    """Raises: NotFound, PreconditionFailed."""
    address = await read(tx, account_id, address_id)
    expected.check(address.version)
    address.sqlmodel_update(fields)
    address.version += 1
    return address


async def remove(tx: Session, account_id: UUID, address_id: UUID) -> None:
    await tx.delete(await read(tx, account_id, address_id))
