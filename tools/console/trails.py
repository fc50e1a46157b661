"""One order's trail, as `make trail` finds it, in JSON."""

from datetime import datetime
from typing import Any

from local_stack.shop import Shop
from service_kit.telemetry.logs import printable
from tools.trail.report import follow as follow_order
from tools.trail.report import summary
from tools.trail.step import Step
from tools.trail.tables import NoSuchOrder


def follow(shop: Shop, number: int) -> dict[str, Any] | None:
    """None if no order has this number. Raises: StackError, if a database does not answer."""
    try:
        trail = follow_order(shop, number)
    except NoSuchOrder:
        return None
    before = trail.order.created_at
    steps = []
    for step in trail.steps:
        steps.append(_step(step, before))
        before = step.at
    return {
        "number": trail.order.number,
        "id": str(trail.order.id),
        "status": trail.order.status,
        "currency": trail.order.currency,
        "total": trail.order.total,
        "placed_at": trail.order.created_at.isoformat(),
        "summary": summary(trail),
        "missing": list(trail.missing),
        "steps": steps,
    }


def _step(step: Step, before: datetime) -> dict[str, Any]:
    wait = step.wait
    return {
        "at": step.at.isoformat(),
        "later_ms": max((step.at - before).total_seconds() * 1000, 0),
        "service": step.service,
        "kind": step.kind.name.lower(),
        "what": printable(step.what),
        "wait": printable(wait.what) if wait else None,
        "wait_ms": wait.time.total_seconds() * 1000 if wait else None,
        "trace_id": step.trace_id,
    }
