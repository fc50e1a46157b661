"""The rules with shorter windows: a drill sees in minutes what takes days in production."""

import re
from dataclasses import replace
from typing import Any

from deploy.monitoring import alerts, slo
from deploy.monitoring.rules import Alert, Group, Recording

FACTOR = 60
"""An hour becomes a minute. The shortest window (`[5m]`) still has several samples, at one scrape a second."""
_WINDOW = re.compile(r"\[(\d+[smhd])\]")
_MILLISECONDS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def shortened(duration: str, factor: int) -> str:
    """`shortened("5m", 60)`: `5000ms`."""
    return f"{int(duration[:-1]) * _MILLISECONDS[duration[-1]] // factor}ms"


def scaled(group: Group, factor: int = FACTOR) -> Group:
    """The group with all windows, waits (`for`) and intervals divided by `factor`. What an expression compares with,
    such as an age of 60 s, stays."""
    rules = [_rule(rule, factor) for rule in group.rules]
    return replace(group, rules=rules, interval=group.interval and shortened(group.interval, factor))


def _rule(rule: Recording | Alert, factor: int) -> Recording | Alert:
    expr = _WINDOW.sub(lambda found: f"[{shortened(found[1], factor)}]", rule.expr)
    if isinstance(rule, Recording):
        return replace(rule, expr=expr)
    return replace(rule, expr=expr, after=rule.after and shortened(rule.after, factor))


def scaled_route(route: dict[str, Any], factor: int = FACTOR) -> dict[str, Any]:
    """A route of Alertmanager, and those below it, with shorter waits."""
    waits = {name: shortened(value, factor) for name, value in route.items() if name in _WAITS}
    below = {"routes": [scaled_route(each, factor) for each in route["routes"]]} if "routes" in route else {}
    return {**route, **waits, **below}


_WAITS = ("group_wait", "group_interval", "repeat_interval")
GROUPS = tuple(scaled(group) for group in (*slo.GROUPS, *alerts.GROUPS))
