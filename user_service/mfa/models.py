"""The second factor: one-time codes of an app (RFC 6238), and recovery codes in case it is lost."""

import hmac
import secrets
from datetime import datetime, timedelta
from uuid import UUID

import pyotp
from sqlalchemy import BigInteger, Column
from sqlmodel import Field

from service_kit.problems import Problem
from user_service.base import Base, hash_of

STEP_SECONDS = 30
WINDOW = 1
"""How many time steps the app's clock may be ahead of or behind ours."""
FREE_ATTEMPTS = 5
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)
RECOVERY_CODES = 10
_RECOVERY_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # 32 characters that are not easily confused
_RECOVERY_LENGTH = 24  # 120 bits, so that a plain hash is enough


class MfaOnAlready(Problem, status=409, type="mfa-on-already"):
    """A second factor is set up already: remove it first, if you want another one."""


class MfaNotOn(Problem, status=409, type="mfa-not-on"):
    """There is no second factor, or it was not begun: POST /auth/mfa/totp begins."""


class WrongProof(Problem, status=400, type="wrong-proof"):
    """This password or code is not the right one, or the code was used already."""


class TooManyTries(Problem, status=429, type="too-many-tries"):
    """Too many wrong passwords or codes: try again in {seconds} seconds."""


class SecondFactor(Base, table=True):
    """At most one per account, created when it is first needed. It is `on` once its setup is confirmed."""

    __tablename__ = "second_factors"

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id", ondelete="CASCADE")
    encrypted_secret: bytes | None = None
    confirmed_at: datetime | None = None
    last_step: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    failures: int = 0
    wait_until: datetime | None = None

    @property
    def on(self) -> bool:
        return self.confirmed_at is not None

    def check_may_attempt(self, now: datetime) -> None:
        """Raises: TooManyTries."""
        if self.wait_until is not None and now < self.wait_until:
            seconds = int((self.wait_until - now).total_seconds()) + 1
            raise TooManyTries(seconds=seconds, retry_after=seconds)

    def count(self, now: datetime, *, right: bool) -> None:
        """Counts an attempt. After the fifth wrong one in a row, the next must wait a minute. Each further one doubles
        the wait, up to an hour, which leaves 24 guesses a day. A right one resets the count."""
        self.failures = 0 if right else self.failures + 1
        self.wait_until = None
        if self.failures >= FREE_ATTEMPTS:
            doubled = FIRST_WAIT * 2 ** min(self.failures - FREE_ATTEMPTS, 10)
            self.wait_until = now + min(doubled, LONGEST_WAIT)

    def accepts(self, secret: str, code: str, now: datetime) -> bool:
        """Whether it is the code of the present time step or of one within `WINDOW`. Each code is accepted once."""
        present, totp = int(now.timestamp()) // STEP_SECONDS, pyotp.TOTP(secret)
        steps = range(present - WINDOW, present + WINDOW + 1)
        same = [step for step in steps if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode())]
        fresh = [step for step in same if step > self.last_step]
        if fresh:
            self.last_step = fresh[-1]
        return bool(fresh)


class RecoveryCode(Base, table=True):
    """A code that was not used yet. Its use deletes it."""

    __tablename__ = "recovery_codes"

    code_hash: bytes = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="accounts.id", ondelete="CASCADE", index=True)


def new_recovery_codes() -> list[str]:
    """`RECOVERY_CODES` codes in the form that is shown: `abcd-efgh-jkmn-pqrs-tuvw-xyz2`."""
    plain = (
        "".join(secrets.choice(_RECOVERY_ALPHABET) for _ in range(_RECOVERY_LENGTH)) for _ in range(RECOVERY_CODES)
    )
    return ["-".join(code[at : at + 4] for at in range(0, _RECOVERY_LENGTH, 4)) for code in plain]


def recovery_hash(account_id: UUID, code: str) -> bytes:
    """The hash of the code without case, blanks and dashes, which people may type differently."""
    typed = "".join(character for character in code.lower() if character.isalnum())
    return hash_of(f"{account_id}:{typed}")
