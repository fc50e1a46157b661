"""Publishes snapshots of accounts to the other services."""

from contracts.events import users
from service_kit.clock import utcnow
from service_kit.database import Session
from service_kit.messaging import outbox
from service_kit.security import account_status
from user_service.accounts.models import Account
from user_service.roles import grants


async def publish(tx: Session, account: Account) -> None:
    """Publishes the account as it is now. Call it in the transaction that has locked it and raised its version.

    Guests are published once they have an address, since nobody can write to them before; and without their name until
    they have confirmed the address: with free text in mails, anyone could send spam to strangers.
    """
    if account.address is None:
        return
    fields = account.model_dump(
        include={"full_name", "locale", "roles", "groups", "email_verified", "active", "version"}
    )
    fields["email"] = account.address
    if account.is_guest and not account.email_verified:
        fields["full_name"] = ""
    permissions = sorted(await grants.permissions_held(tx, account.roles))
    ended = await account_status.recently_ended_sessions(tx, account.id)
    changed = users.UserChanged(user_id=account.id, permissions=permissions, ended_sessions=ended, **fields)
    await outbox.add(tx, changed)
    await account_status.update(tx, [changed], [utcnow()])
