"""The accounts with which the demo data and the replay sign in."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.table import Table

# Role → the prefix of its settings …_EMAIL and …_PASSWORD.
ROLES = {"Admin": "USER_FIRST_ADMIN", "SubAdmin": "DEMO_STAFF", "User": "DEMO_CUSTOMER"}


@dataclass(frozen=True)
class Account:
    email: str
    password: str = field(repr=False)

    @classmethod
    def of(cls, settings: Mapping[str, str], role: str) -> "Account":
        return cls(settings[f"{ROLES[role]}_EMAIL"], settings[f"{ROLES[role]}_PASSWORD"])


def table(settings: Mapping[str, str]) -> Table:
    shown = Table("Role", "E-mail", "Password", title="Accounts")
    for role in ROLES:
        account = Account.of(settings, role)
        shown.add_row(role, account.email, account.password)
    return shown
