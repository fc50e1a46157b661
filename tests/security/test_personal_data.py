"""No service starts without an export and an erasure, and no table that names an account is left out of the export."""

import importlib
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from sqlalchemy import MetaData

from contracts.events.users import UserChanged, UserErased
from contracts.topics import USERS
from service_kit.audit.queries import EXPORT as AUDIT_LOG
from service_kit.http.application import create_app
from service_kit.personal_data import PersonalData
from service_kit.personal_data.consumers import UndeclaredErasure, consumers_of, jobs_of
from service_kit.security import account_status
from tests.harness.service import NEEDED, NOBODY, serve
from tests.harness.tokens import ISSUER
from tests.security.operations import SERVICES

NAMES_AN_ACCOUNT = re.compile(
    r"(^|_)(user|account|actor|owner|customer|subject)_id$|(^|_)(email|full_name|ship_to|booked_by)$"
)
NOT_EXPORTED = {
    "user": {
        "mail_tokens": "proves who the person is",
        "recovery_codes": "proves who the person is",
    },
    "product": {},
    "inventory": {
        "stock_movements": "the shop's ledger, which names staff by id",
        "stock_receipts": "the shop's receipts, which name staff by id",
        "suppliers": "addresses of companies",
    },
    "order": {
        "carts": "the version of a cart; what is in it is exported",
    },
    "notification": {},
}
"""Tables that are not exported, and why. The kit's `idempotency_keys` isn't either: its responses repeat other data."""


def declared(service: str) -> PersonalData:
    found: PersonalData = importlib.import_module(f"{service}_service.personal_data").PERSONAL_DATA
    return found


def create(service: str, monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], None]) -> FastAPI:
    """The service's application, with a change to the arguments that its main.py passes to `create_app`."""
    main = importlib.import_module(f"{service}_service.main")

    def changed(*arguments: Any, **keywords: Any) -> FastAPI:
        change(keywords)
        return create_app(*arguments, **keywords)

    monkeypatch.setattr(main, "create_app", changed)
    settings = importlib.import_module(f"{service}_service.settings").Settings(
        environment="development", service_role="api", port=0, kafka_bootstrap_servers=NOBODY, public_issuer=ISSUER,
        jwks_url=f"http://{NOBODY}/", database_url=f"postgresql://nobody:x@{NOBODY}/none", log_level="ERROR",
        **NEEDED.get(service, {}),
    )  # fmt: skip
    app: FastAPI = main.create(settings)
    return app


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_starts_without_its_personal_data(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match="personal_data"):
        create(service, monkeypatch, lambda keywords: keywords.pop("personal_data"))


@pytest.mark.parametrize("service", USERS.readers)
def test_no_service_that_reads_accounts_starts_without_an_erasure(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = replace(declared(service), erase=None)
    with pytest.raises(UndeclaredErasure, match=service):
        create(service, monkeypatch, lambda keywords: keywords.update(personal_data=nothing))


def test_the_service_that_publishes_accounts_consumes_none() -> None:
    assert set(SERVICES) == {*USERS.readers, *USERS.writers}
    assert consumers_of("user", declared("user")) == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_table_that_names_an_account_is_exported(service: str) -> None:
    metadata: MetaData = importlib.import_module(f"{service}_service.models").metadata
    naming = {
        name
        for name, table in metadata.tables.items()
        if any(NAMES_AN_ACCOUNT.search(column.name) for column in table.columns)
    }
    sections = (account_status.EXPORT, AUDIT_LOG, *declared(service).sections)
    words = set(re.findall(r"\w+", " ".join(f"{section.table} {section.json}" for section in sections)))
    left_out = naming - words
    assert left_out - {"idempotency_keys"} == set(NOT_EXPORTED[service])
    assert len(naming) >= 3, "the pattern finds nothing"


@pytest.mark.parametrize("service", USERS.readers)
async def test_account_status_and_the_service_s_own_copy_change_together(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kit updates its row before the service erases its own; if that fails, both are rolled back."""
    seen: list[str] = []

    async def erase(tx: Any, user_ids: Any) -> None:
        [erased] = await tx.fetch("SELECT erased FROM account_status WHERE user_id = ANY($1::uuid[])", user_ids)
        assert erased["erased"]
        seen.append("erase")
        if len(seen) == 1:
            raise ValueError("not at the first attempt")

    main = importlib.import_module(f"{service}_service.main")
    monkeypatch.setattr(main, "PERSONAL_DATA", replace(declared(service), erase=erase))
    user_id = uuid4()
    async with serve(f"{service}_service", **NEEDED.get(service, {})) as served:
        await served.deliver(
            UserChanged(
                user_id=user_id, version=1, email="ada@example.com", full_name="Ada", roles=["User"], active=True,
                email_verified=True,
            )
        )  # fmt: skip
        await served.deliver(UserErased(user_id=user_id, version=2))
        async with served.runtime.database.connection() as connection:
            row = await connection.fetchrow("SELECT * FROM account_status")
        assert (row["erased"], row["version"], row["active"]) == (True, 2, False)
    assert seen == ["erase", "erase"], "the failed batch is repeated event by event"


def test_services_that_can_receive_data_after_an_erasure_erase_it_later() -> None:
    jobs = {service: {job.name for job in jobs_of(declared(service))} for service in SERVICES}
    both = {"erase-late-data", "merge-late-data"}
    assert jobs == {
        "user": set(), "product": both, "inventory": both, "order": both, "notification": {"merge-late-data"},
    }  # fmt: skip
