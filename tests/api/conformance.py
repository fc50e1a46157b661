"""Runs Schemathesis against a service: generates requests from its OpenAPI document and checks the responses by it."""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import schemathesis
from schemathesis import BaseSchema, Case, HookContext
from schemathesis.engine import events, from_schema

from tests.harness import tokens

KEY = "Idempotency-Key"
LONGEST = 3600
# 412 is included, since a generated If-Match is no ETag that the service ever sent.
REJECTIONS = ["400", "401", "403", "404", "405", "406", "409", "412", "415", "422", "428", "429"]

CHECKS: dict[str, Any] = {
    # A request may break a rule that a schema cannot express, such as a price that ends before it begins.
    "positive_data_acceptance": {"enabled": False},
    "negative_data_rejection": {"expected-statuses": REJECTIONS},
}
# For other methods, these match the path of a resource's id, and the id is rejected instead of the method.
BESIDE_IDS: list[dict[str, Any]] = [
    {
        "include-name": name,
        "checks": {"unsupported_method": {"enabled": False}, "allow_header_conformance": {"enabled": False}},
    }
    for name in ("GET /categories/tree", "POST /promotions/preview", "GET /orders/export")
]

# All requests use one account, and would get 404 once it is erased.
ERASE: dict[str, Any] = {"include-name": "DELETE /users/me", "enabled": False}


@dataclass
class Findings:
    """The number of responses by operation and status, and the violations."""

    statuses: defaultdict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    wrong: dict[str, str] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        return sum(sum(answers.values()) for answers in self.statuses.values())

    @property
    def succeeded(self) -> set[str]:
        """Operations that succeeded at least once."""
        return {name for name, answers in self.statuses.items() if any(status < 400 for status in answers)}


@dataclass(frozen=True)
class Effort:
    """`examples`: requests for each operation. `bounds`: whether to try the bounds of all values. `walks`: sequences of
    operations that use the results of earlier ones."""

    examples: int
    walks: int
    bounds: bool = True
    seed: int | None = None


def examine(
    url: str, effort: Effort, *, role: str, user_id: UUID, known: Mapping[str, Sequence[str]] | None = None
) -> Findings:
    """Tests all operations. `known`: existing ids, by parameter or by path in a body."""
    bearer = tokens.token(role=role, user_id=user_id, exp=int(time.time()) + LONGEST)
    config = schemathesis.Config.from_dict(
        {
            "base-url": url,
            "headers": {"Authorization": f"Bearer {bearer}"},
            "continue-on-failure": True,
            "cache": {"enabled": False},
            "seed": effort.seed or random.getrandbits(32),
            "dictionaries": {name: {"values": list(ids)} for name, ids in (known or {}).items()},
            "parameters": {name: {"dictionary": name, "probability": 0.7} for name in known or {}},
            "generation": {"max-examples": effort.examples, "no-shrink": True},
            "checks": CHECKS,
            "phases": {
                "coverage": {"enabled": effort.bounds},
                "stateful": {
                    "enabled": effort.walks > 0,
                    "max-steps": 20,
                    "generation": {"max-examples": max(effort.walks, 1)},
                },
            },
            "operations": [*BESIDE_IDS, ERASE],
        }
    )
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", config=config)
    schema.hook("map_case")(_with_a_key)
    return _run(schema)


def _with_a_key(context: HookContext, case: Case[Any]) -> Case[Any]:
    """Adds an Idempotency-Key to most requests that take one, since others are rejected before anything else."""
    takes_one = any(parameter.name.lower() == KEY.lower() for parameter in case.operation.headers)
    if takes_one and uuid4().int % 10:
        case.headers[KEY] = str(uuid4())
    return case


def _run(schema: BaseSchema) -> Findings:
    findings = Findings()
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError):
            findings.wrong[f"{event.label}: {event.value!r}"] = ""
        elif isinstance(event, events.FatalError):
            raise event.exception
        elif isinstance(event, events.ScenarioFinished):
            _note(event, findings)
    return findings


def _note(event: events.ScenarioFinished, findings: Findings) -> None:
    recorder = event.recorder
    for id, found in recorder.interactions.items():
        case = recorder.cases.get(id)
        if case is not None and found.response is not None:
            findings.statuses[case.value.operation.label][found.response.status_code] += 1
    for checks in recorder.checks.values():
        for check in checks:
            if check.failure_info is not None:
                failure = check.failure_info.failure
                findings.wrong.setdefault(
                    f"{event.label}: {failure.title}", f"{failure.message}\n{check.failure_info.code_sample}"
                )
