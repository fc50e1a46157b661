"""The gateway's books: every statement on charges and refunds.

What becomes of a charge is known when it is made and stands in its row with the moment from which it shows
(`settles_at`), beside the webhook that will tell it: one commit, and nothing left to do that a crash could lose.
"""

import hashlib
import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from uuid_utils import uuid7

from sandbox.gateway import webhooks
from sandbox.gateway.problems import Refused, key_reused, missing
from sandbox.gateway.schemas import ChargeIn, RefundIn, Token
from sandbox.gateway.settings import GatewaySettings

SCHEMA = """
CREATE TABLE IF NOT EXISTS charges (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    idempotency_key TEXT NOT NULL UNIQUE,
    fingerprint BLOB NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    refunded INTEGER NOT NULL DEFAULT 0 CHECK (refunded BETWEEN 0 AND amount),
    currency TEXT NOT NULL,
    reference TEXT NOT NULL,
    metadata TEXT NOT NULL,
    token TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('succeeded', 'declined')),
    created_at REAL NOT NULL,
    settles_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS charges_by_reference ON charges (reference);
CREATE TABLE IF NOT EXISTS refunds (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    idempotency_key TEXT NOT NULL UNIQUE,
    fingerprint BLOB NOT NULL,
    charge_id TEXT NOT NULL REFERENCES charges (id),
    amount INTEGER NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    reference TEXT NOT NULL,
    reason TEXT,
    created_at REAL NOT NULL,
    settles_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS refunds_by_charge ON refunds (charge_id);
"""

Json = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """What a call with an idempotency key gives: `new` only the first time; `due_at` of its first webhook."""

    body: Json
    new: bool
    due_at: float


def make_charge(db: sqlite3.Connection, order: ChargeIn, key: str, *, now: float, settings: GatewaySettings) -> Made:
    fingerprint = _fingerprint(order.model_dump(mode="json"))
    if row := db.execute("SELECT * FROM charges WHERE idempotency_key = ?", (key,)).fetchone():
        return _again(row, fingerprint, charge_body(row, now))
    delay = settings.late_delay if order.token is Token.LATE else settings.webhook_delay
    values = {
        "id": f"ch_{uuid7().hex}",
        "idempotency_key": key,
        "fingerprint": fingerprint,
        "amount": order.amount,
        "refunded": 0,
        "currency": order.currency,
        "reference": order.reference,
        "metadata": json.dumps(order.metadata),
        "token": order.token.value,
        "outcome": "declined" if order.token is Token.DECLINED else "succeeded",
        "created_at": now,
        "settles_at": now + delay,
    }
    _insert(db, "charges", values)
    _owe_outcome(db, values, settings)
    return Made(charge_body(values, now), new=True, due_at=now + delay)


def _owe_outcome(db: sqlite3.Connection, charge: Json, settings: GatewaySettings) -> None:
    settled = charge["settles_at"]
    name = "charge.succeeded" if charge["outcome"] == "succeeded" else "charge.failed"
    outcome = webhooks.event(name, settled, {"charge": charge_body(charge, settled)})
    if charge["token"] == Token.NO_WEBHOOK:
        return
    later = settled + settings.duplicate_delay
    for due_at in (settled, settled, settled, later) if charge["token"] == Token.DUPLICATE else (settled,):
        webhooks.owe(db, outcome, due_at)
    if charge["token"] in (Token.DUPLICATE, Token.REVERSED):
        created = charge["created_at"]
        webhooks.owe(db, webhooks.event("charge.pending", created, {"charge": charge_body(charge, created)}), later)


def make_refund(
    db: sqlite3.Connection, charge_id: str, order: RefundIn, key: str, *, now: float, settings: GatewaySettings
) -> Made:
    """Raises: Refused, when the charge has not succeeded or has less left than is asked for."""
    fingerprint = _fingerprint({"charge_id": charge_id, **order.model_dump(mode="json")})
    if row := db.execute("SELECT * FROM refunds WHERE idempotency_key = ?", (key,)).fetchone():
        return _again(row, fingerprint, refund_body(row, now))
    charge = find_charge(db, charge_id)
    if _status(charge, now) != "succeeded":
        raise Refused(422, "charge-not-refundable", f"The charge is {_status(charge, now)}.")
    if order.amount > (left := charge["amount"] - charge["refunded"]):
        raise Refused(422, "refund-above-charge", f"{order.amount} was asked for; {left} is left.")
    values = {
        "id": f"re_{uuid7().hex}",
        "idempotency_key": key,
        "fingerprint": fingerprint,
        "charge_id": charge_id,
        "amount": order.amount,
        "currency": charge["currency"],
        "reference": charge["reference"],
        "reason": order.reason,
        "created_at": now,
        "settles_at": now + settings.webhook_delay,
    }
    _insert(db, "refunds", values)
    db.execute("UPDATE charges SET refunded = refunded + ? WHERE id = ?", (order.amount, charge_id))
    settled = values["settles_at"]
    webhooks.owe(db, webhooks.event("refund.succeeded", settled, {"refund": refund_body(values, settled)}), settled)
    return Made(refund_body(values, now), new=True, due_at=settled)


def find_charge(db: sqlite3.Connection, id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute("SELECT * FROM charges WHERE id = ?", (id,)).fetchone()
    if row is None:
        raise missing("charge", id)
    return row


def charge_body(row: sqlite3.Row | Json, now: float) -> Json:
    status = _status(row, now)
    return {
        "id": row["id"],
        "status": status,
        "amount": row["amount"],
        "currency": row["currency"],
        "reference": row["reference"],
        "metadata": json.loads(row["metadata"]),
        "token": row["token"],
        "idempotency_key": row["idempotency_key"],
        "failure_reason": "card_declined" if status == "declined" else None,
        "refunded": row["refunded"],
        "created": int(row["created_at"]),
    }


def refund_body(row: sqlite3.Row | Json, now: float) -> Json:
    shown = ("id", "charge_id", "amount", "currency", "reference", "reason", "idempotency_key")
    status = "succeeded" if now >= row["settles_at"] else "pending"
    return {**{name: row[name] for name in shown}, "status": status, "created": int(row["created_at"])}


def list_charges(
    db: sqlite3.Connection, now: float, limit: int, before: int | None = None, **equal: str | None
) -> Json:
    rows, next = _page(db, "charges", limit, before, equal)
    return {"items": [charge_body(row, now) for row in rows], "next": next}


def list_refunds(
    db: sqlite3.Connection, now: float, limit: int, before: int | None = None, **equal: str | None
) -> Json:
    rows, next = _page(db, "refunds", limit, before, equal)
    return {"items": [refund_body(row, now) for row in rows], "next": next}


def totals(db: sqlite3.Connection, now: float) -> Json:
    """Sums by currency, counted from the rows themselves."""
    charges = db.execute(
        """
        SELECT currency, count(*) AS charges, sum(settles_at > :now) AS pending,
               sum(settles_at <= :now AND outcome = 'succeeded') AS succeeded,
               sum(settles_at <= :now AND outcome = 'declined') AS declined,
               sum(amount * (settles_at <= :now AND outcome = 'succeeded')) AS captured
        FROM charges GROUP BY currency ORDER BY currency
        """,
        {"now": now},
    ).fetchall()
    refunds = db.execute("SELECT currency, count(*) AS refunds, sum(amount) AS refunded FROM refunds GROUP BY currency")
    by_currency = {row["currency"]: {**row, "refunds": 0, "refunded": 0} for row in map(dict, charges)}
    for row in map(dict, refunds):
        by_currency[row["currency"]].update(row)
    return {currency: {k: v for k, v in sums.items() if k != "currency"} for currency, sums in by_currency.items()}


def _status(row: sqlite3.Row | Json, now: float) -> str:
    return str(row["outcome"]) if now >= row["settles_at"] else "pending"


def _again(row: sqlite3.Row, fingerprint: bytes, body: Json) -> Made:
    if row["fingerprint"] != fingerprint:
        raise key_reused()
    return Made(body, new=False, due_at=row["settles_at"])


def _fingerprint(request: Json) -> bytes:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).digest()


# Table and column names come from this file alone; what comes from outside is a parameter.
def _insert(db: sqlite3.Connection, table: str, values: Json) -> None:
    columns = ", ".join(values)
    db.execute(f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(values))})", tuple(values.values()))  # noqa: S608


def _page(
    db: sqlite3.Connection, table: str, limit: int, before: int | None, equal: dict[str, str | None]
) -> tuple[list[sqlite3.Row], str | None]:
    """Newest first; `next` is the cursor of what follows."""
    wanted = {column: value for column, value in equal.items() if value is not None}
    where = "".join(f" AND {column} = ?" for column in wanted)
    rows = db.execute(
        f"SELECT * FROM {table} WHERE seq < ?{where} ORDER BY seq DESC LIMIT ?",  # noqa: S608
        (before if before is not None else 2**62, *wanted.values(), limit + 1),
    ).fetchall()
    return rows[:limit], str(rows[limit - 1]["seq"]) if len(rows) > limit else None
