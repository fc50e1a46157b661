"""An authenticator app that shows codes, and the clock that the service compares them with."""

from datetime import datetime, timedelta

import pyotp

from service_kit.clock import utcnow
from user_service.tests.person import PASSWORD, Person

STEP = 30
"""Seconds for which a code is shown."""
SLOW = 5
"""Seconds that may pass on a slow machine between reading a code and its verification."""


class Clock:
    """The clock of the second factor, set ahead to the time at which the next code is shown."""

    ahead = timedelta()

    @classmethod
    def now(cls) -> datetime:
        return utcnow() + cls.ahead


class Phone:
    """An authenticator app that never shows a code twice."""

    def __init__(self, secret: str) -> None:
        self._totp = pyotp.TOTP(secret)
        self._step = int(Clock.now().timestamp()) // STEP - 2

    def code(self) -> str:
        """The earliest code that was not shown before and is accepted for SLOW more seconds, or from the next step
        on."""
        now = Clock.now().timestamp()
        self._step = max(self._step + 1, int(now + SLOW) // STEP - 1)
        Clock.ahead += timedelta(seconds=max((self._step - 1) * STEP - now, 0))
        return self._totp.generate_otp(self._step)


async def enrol(person: Person) -> tuple[Phone, list[str]]:
    begun = await person.call("POST", "/auth/mfa/totp", json={"password": PASSWORD})
    assert begun.status_code == 201, begun.text
    phone = Phone(begun.json()["secret"])
    confirmed = await person.call("POST", "/auth/mfa/totp/confirm", json={"code": phone.code()})
    assert confirmed.status_code == 200, confirmed.text
    return phone, confirmed.json()["recovery_codes"]
