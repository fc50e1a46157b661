"""What a person may take with them."""

from contracts.events.users import UserChanged
from tests.harness.service import Served


async def test_the_export_has_what_the_account_may_do_and_what_it_did_and_that_is_all(service: Served) -> None:
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
