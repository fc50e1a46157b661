"""The export of personal data."""

from contracts.events.users import UserChanged
from tests.harness.service import Served


async def test_the_export_has_all_sections(service: Served) -> None:
    customer = service.caller()
    exported = (await customer.get("/me/export")).json()
    assert exported == {"account_status": [], "audit_log": [], "reviews": [], "purchases": []}
    known = UserChanged(
        user_id=customer.user_id, version=1, email="a@example.com", full_name="Ada", roles=["User"], active=True,
        email_verified=True,
    )  # fmt: skip
    await service.deliver(known)
    [account] = (await customer.get("/me/export")).json()["account_status"]
    assert account["active"]
    assert "Ada" not in str(account)
