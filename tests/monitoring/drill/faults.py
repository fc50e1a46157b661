"""All faults of the drill, in order, and the alerts that each must raise."""

from collections.abc import Iterator
from dataclasses import dataclass

from deploy.monitoring.slo import BURNS
from local_stack.parts import SERVICES
from tests.monitoring.drill import injections
from tests.monitoring.drill.injections import Inject, stopped
from tests.monitoring.receiver import Expected


@dataclass(frozen=True)
class Fault:
    """`during`: fires while the fault lasts. `after`: fires when it is over, since what was late is counted when it is
    done. `at_last`: the tickets of the same budgets; Alertmanager suppresses them until the page is resolved, and they
    are resolved when their short window (up to `[6h]`) is clean. `suppressed`: never reaches a receiver."""

    name: str
    inject: Inject
    during: tuple[Expected, ...] = ()
    after: tuple[Expected, ...] = ()
    at_last: tuple[Expected, ...] = ()
    suppressed: tuple[Expected, ...] = ()

    @property
    def expected(self) -> tuple[Expected, ...]:
        return (*self.during, *self.after, *self.at_last)


def expect(alert: str, **labels: str) -> Expected:
    return Expected(alert, labels)


def pages(alert: str, service: str) -> tuple[Expected, ...]:
    return tuple(_burns(alert, service, "page"))


def tickets(alert: str, service: str) -> tuple[Expected, ...]:
    return tuple(_burns(alert, service, "ticket"))


def _burns(alert: str, service: str, severity: str) -> Iterator[Expected]:
    for burn in BURNS:
        if burn.severity == severity:
            yield expect(alert, job=service, window=burn.long)


ORDER, NOTIFICATION = "order_service", "notification_service"
ON_BUDGETS = (
    Fault(
        "each chunk to and from PostgreSQL takes 100 ms", injections.slow_database,
        during=pages("PlacingLatencyBudgetBurn", ORDER),
        at_last=tickets("PlacingLatencyBudgetBurn", ORDER),
    ),
    Fault(
        "the broker is down", stopped("kafka"),
        during=(expect("OutboxStalled", job=ORDER),),
        after=(*pages("EventDelayBudgetBurn", NOTIFICATION), *pages("OrderDecisionBudgetBurn", ORDER)),
        at_last=(*tickets("EventDelayBudgetBurn", NOTIFICATION), *tickets("OrderDecisionBudgetBurn", ORDER)),
    ),
    Fault(
        "the databases are down", stopped("postgres"),
        during=(
            *pages("RequestErrorBudgetBurn", ORDER),
            expect("JobFailing", job=ORDER, exported_job="reconcile-payments"),
        ),
        at_last=tickets("RequestErrorBudgetBurn", ORDER),
    ),
    # None of these delays an order, so that the tickets above are resolved meanwhile.
    Fault(
        "an event that can't be handled", injections.event_without_fields,
        during=(expect("DeadLetters", job=NOTIFICATION),),
    ),
    Fault(
        "a record that is no event", injections.no_event,
        during=(expect("EventUnreadable", job=NOTIFICATION, topic="order_notification"),),
    ),
    Fault(
        "the gateway reports a charge of no order", injections.charge_of_no_order,
        during=(expect("PaymentUnmatched", kind="charge"),),
    ),
    Fault(
        "a right is missing that one job needs", injections.right_revoked,
        during=(expect("JobFailing", job="user_service", exported_job="send-account-mails"),),
    ),
    Fault(
        "old keys, and the user service is down", injections.old_keys,
        during=(expect("VerificationKeysOld", job=NOTIFICATION),),
    ),
    Fault(
        "one of two processes is gone", injections.one_process_of_two_gone,
        during=(expect("TargetDown", job=NOTIFICATION),),
    ),
)  # fmt: skip
ON_ORDERS = (
    Fault(
        "the relay's lease belongs to nobody", injections.lease_of_nobody,
        during=(expect("RelayWithoutOwner", job=ORDER),),
    ),
    Fault(
        "the inventory service is down", stopped("inventory"),
        during=(
            expect("ServiceDown", job="inventory_service"),
            expect("OrderStuck", reason="inventory has not answered the reservation"),
        ),
    ),
    Fault(
        "the payment gateway is down", stopped("gateway"),
        during=(expect("GatewayFailing"), expect("PaymentOverdue", kind="payment")),
    ),
    Fault(
        "a table is locked, and requests wait", injections.orders_locked,
        during=(expect("DatabasePoolExhausted", job=ORDER),),
    ),
    Fault(
        "a table is locked, and the consumer waits", injections.notifications_locked,
        during=(expect("ConsumerLagGrowing", job=NOTIFICATION, topic="order_notification"),),
    ),
    Fault(
        "all services are down", stopped(*(service.name for service in SERVICES)),
        during=tuple(expect("ServiceDown", job=service.package) for service in SERVICES),
        suppressed=tuple(expect("TargetDown", job=service.package) for service in SERVICES),
    ),
)  # fmt: skip
PARTS = (ON_BUDGETS, ON_ORDERS)
"""Before the next part begins, all alerts of the one before are resolved."""
FAULTS = {str(number): fault for number, fault in enumerate((*ON_BUDGETS, *ON_ORDERS), 1)}
