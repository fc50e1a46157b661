"""What rules are made of."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["page", "ticket"]
"""`page`: somebody must act now. `ticket`: within the next working day."""
RUNBOOKS = "docs/runbooks"


@dataclass(frozen=True)
class Recording:
    record: str
    expr: str
    labels: dict[str, str] = field(default_factory=dict)

    def as_rule(self) -> dict[str, Any]:
        return {"record": self.record, "expr": self.expr} | ({"labels": self.labels} if self.labels else {})


@dataclass(frozen=True)
class Alert:
    """`summary` may name labels as Prometheus does: `{{ $labels.job }}`."""

    name: str
    expr: str
    severity: Severity
    summary: str
    after: str | None = None
    """How long the expression must hold before the alert fires."""
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def all_labels(self) -> dict[str, str]:
        return {"severity": self.severity, **self.labels}

    @property
    def annotations(self) -> dict[str, str]:
        return {"summary": self.summary, "runbook_url": f"{RUNBOOKS}/{self.name}.md"}

    def as_rule(self) -> dict[str, Any]:
        waits = {"for": self.after} if self.after else {}
        made = {"alert": self.name, "expr": self.expr, **waits, "labels": self.all_labels}
        return made | {"annotations": self.annotations}


@dataclass(frozen=True)
class Group:
    name: str
    rules: Sequence[Recording | Alert]
    interval: str | None = None

    def as_group(self) -> dict[str, Any]:
        interval = {"interval": self.interval} if self.interval else {}
        return {"name": self.name, **interval, "rules": [rule.as_rule() for rule in self.rules]}
