"""The export of personal data."""

from contracts.events.users import UserChanged
from tests.harness.service import Served


async def test_the_export_has_only_the_account_status_and_the_audit_log(service: Served) -> None:
    customer = service.caller()
    assert (await customer.get("/me/export")).json() == {"account_status": [], "audit_log": []}
    known = UserChanged(
        user_id=customer.user_id, version=1, email="a@example.com", full_name="Ada", roles=["User"], active=True,
        email_verified=True,
    )  # fmt: skip
    await service.deliver(known)
    [account] = (await customer.get("/me/export")).json()["account_status"]
    assert account["active"]
    assert "Ada" not in str(account)
