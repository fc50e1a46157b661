"""Limits on failed payments: testing stolen cards takes many attempts, a customer needs only a few."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from order_service.payments.models import Account, PaymentState
from order_service.settings import Settings
from service_kit.problems import Problem
from service_kit.rate_limit import rate_limit_headers

HOUR = timedelta(hours=1)
NEVER_CHARGED = "never-charged"
"""The failure reason of a payment for which no card was charged, so that none was declined."""


class TooManyFailedPayments(Problem, status=429, type="too-many-failed-payments"):
    """{limit} payments of this {of} have failed, which is the most: {advice}."""

    @classmethod
    def at(cls, limit: int, of: str, left: timedelta, window: int | None = 3600) -> "TooManyFailedPayments":
        """`left`: the time until the limit resets; `window` None: it never does, since the order has ended then."""
        advice = "try again later" if window else "place a new order, or ask us for help"
        seconds = max(1, int(left.total_seconds()) + 1)
        headers = rate_limit_headers("failed-payments", limit, seconds, window)
        return cls(limit=limit, of=of, advice=advice, retry_after=seconds, headers=headers)


@dataclass(frozen=True, slots=True)
class Attempts:
    """Payments of the last hour that failed or are open, and when the first of them was opened."""

    count: int
    since: datetime | None

    def check(self, limit: int, of: str, now: datetime) -> None:
        """Raises: TooManyFailedPayments."""
        if limit and self.count >= limit:
            raise TooManyFailedPayments.at(limit, of, (self.since or now) + HOUR - now)


@dataclass(frozen=True, slots=True)
class AttemptOrigin:
    """The account and the client address (None: unknown) that an attempt to pay is counted for."""

    account: UUID
    address: str | None


def attempts_per_hour(settings: Settings) -> tuple[int, int]:
    """The limits of an account and of a client address; 0: no limit."""
    if not settings.limits:
        return 0, 0
    return settings.failed_payments_per_hour, settings.failed_payments_per_hour_and_address


def check_attempts(by_account: Attempts, by_address: Attempts, settings: Settings, now: datetime) -> None:
    """Raises: TooManyFailedPayments."""
    by_account.check(settings.failed_payments_per_hour, "account", now)
    by_address.check(settings.failed_payments_per_hour_and_address, "address", now)


def check_order(account: Account, settings: Settings, pay_by: datetime, now: datetime) -> None:
    """Raises: TooManyFailedPayments. The limit never resets, so its retry time is the order's end (`pay_by`)."""
    failed = [each for each in account.payments if each.status == PaymentState.FAILED]
    declined = sum(each.failure_reason != NEVER_CHARGED for each in failed)
    if settings.failed_payments_per_order and declined >= settings.failed_payments_per_order:
        raise TooManyFailedPayments.at(settings.failed_payments_per_order, "order", pay_by - now, window=None)
