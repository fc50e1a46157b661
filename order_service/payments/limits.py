"""How many cards may be declined: whoever tries stolen ones needs many tries, a customer needs a few."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from order_service.payments.models import Account, PaymentState
from order_service.settings import Settings
from service_kit.problems import Problem
from service_kit.rate_limit import rate_limit_headers

HOUR = timedelta(hours=1)
NEVER_CHARGED = "never-charged"
"""The failure reason of a payment that no card was charged for: nobody declined it."""


class TooManyFailedPayments(Problem, status=429, type="too-many-failed-payments"):
    """{limit} payments of this {of} have failed, which is the most: {advice}."""

    @classmethod
    def at(cls, limit: int, of: str, left: timedelta, window: int | None = 3600) -> "TooManyFailedPayments":
        """`left`: until it ends, which is the end of the `window`, or of the order (None)."""
        advice = "try again later" if window else "place a new order, or ask us for help"
        seconds = max(1, int(left.total_seconds()) + 1)
        headers = rate_limit_headers("failed-payments", limit, seconds, window)
        return cls(limit=limit, of=of, advice=advice, retry_after=seconds, headers=headers)


@dataclass(frozen=True, slots=True)
class Attempts:
    """Payments of the last hour that failed or are under way, and when the first of them was opened."""

    count: int
    since: datetime | None

    def check(self, limit: int, of: str, now: datetime) -> None:
        """Raises: TooManyFailedPayments."""
        if limit and self.count >= limit:
            raise TooManyFailedPayments.at(limit, of, (self.since or now) + HOUR - now)


@dataclass(frozen=True, slots=True)
class AttemptOrigin:
    """Whose tries are counted: the account's, and the client address's (None: it is not known)."""

    account: UUID
    address: str | None


def attempts_per_hour(settings: Settings) -> tuple[int, int]:
    """Of an account, and from a client address; 0: no limit."""
    if not settings.limits:
        return 0, 0
    return settings.failed_payments_per_hour, settings.failed_payments_per_hour_and_address


def check_attempts(by_account: Attempts, by_address: Attempts, settings: Settings, now: datetime) -> None:
    """Raises: TooManyFailedPayments."""
    by_account.check(settings.failed_payments_per_hour, "account", now)
    by_address.check(settings.failed_payments_per_hour_and_address, "address", now)


def check_order(account: Account, settings: Settings, pay_by: datetime, now: datetime) -> None:
    """Raises: TooManyFailedPayments. It ends with the order, which is why it is told when that is."""
    failed = [each for each in account.payments if each.status == PaymentState.FAILED]
    declined = sum(each.failure_reason != NEVER_CHARGED for each in failed)
    if settings.failed_payments_per_order and declined >= settings.failed_payments_per_order:
        raise TooManyFailedPayments.at(settings.failed_payments_per_order, "order", pay_by - now, window=None)
