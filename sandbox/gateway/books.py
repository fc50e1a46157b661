"""The gateway's books: every SQL statement about charges and refunds.

A charge's outcome is stored at once, with the webhook that reports it, so that a crash loses nothing. The charge is
shown as pending until `settles_at`. If it needs a confirmation or a capture, that is stored in the same way.
"""

import hashlib
import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from uuid_utils import uuid7

from sandbox.database import page
from sandbox.gateway import webhooks
from sandbox.gateway.problems import Rejected, key_reused
from sandbox.gateway.schemas import CaptureIn, ChargeIn, RefundIn, Token
from sandbox.gateway.settings import GatewaySettings

CHARGES = """
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
    outcome TEXT NOT NULL
        CHECK (outcome IN ('action_required', 'authorised', 'succeeded', 'declined', 'voided')),
    created_at REAL NOT NULL,
    settles_at REAL NOT NULL,
    capture INTEGER NOT NULL,
    captured INTEGER NOT NULL CHECK (captured BETWEEN refunded AND amount),
    action_url TEXT,
    traceparent TEXT
"""
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS charges ({CHARGES});
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
CREATE TABLE IF NOT EXISTS changes (idempotency_key TEXT PRIMARY KEY, fingerprint BLOB NOT NULL) WITHOUT ROWID;
"""
STATUSES = ("action_required", "authorised", "succeeded", "declined", "voided")
"""All statuses of a charge after `pending`."""
FAILURE_REASONS: dict[str, str] = {
    Token.DECLINED: "card_declined",
    Token.ACTION_REQUIRED: "authentication_failed",
}

Json = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """A charge or refund after a request. `new`: False for a repeated request. `due_at`: when its webhook is due."""

    body: Json
    new: bool
    due_at: float


def migrate(db: sqlite3.Connection) -> None:
    """Adds what newer versions store. A table of charges that is older than authorisations is rebuilt, since SQLite
    can't change constraints."""
    for table in ("owed_webhooks", "charges"):
        if (columns := _columns(db, table)) and "traceparent" not in columns:
            db.execute(f"ALTER TABLE {table} ADD COLUMN traceparent TEXT")
    columns = _columns(db, "charges")
    if not columns or "captured" in columns:
        return
    known = ", ".join(columns)
    db.executescript(f"""
        BEGIN;
        CREATE TABLE rebuilt ({CHARGES});
        INSERT INTO rebuilt ({known}, capture, captured)
            SELECT {known}, 1, CASE outcome WHEN 'succeeded' THEN amount ELSE 0 END FROM charges;
        DROP TABLE charges;
        ALTER TABLE rebuilt RENAME TO charges;
        COMMIT;
    """)  # noqa: S608 (names of this file's own tables)


def _columns(db: sqlite3.Connection, table: str) -> list[str]:
    """Empty if the table does not exist."""
    return [row["name"] for row in db.execute(f"PRAGMA table_info({table})")]


def make_charge(
    db: sqlite3.Connection,
    body: ChargeIn,
    key: str,
    traceparent: str | None = None,
    *,
    now: float,
    settings: GatewaySettings,
) -> Made:
    """`traceparent` of the request, which the webhooks about the charge continue."""
    # `capture` is left out if it is the default, so that fingerprints from before this option existed still match.
    fingerprint = _fingerprint(body.model_dump(mode="json", exclude={"capture"} if body.capture else None))
    if row := db.execute("SELECT * FROM charges WHERE idempotency_key = ?", (key,)).fetchone():
        return _again(row, fingerprint, charge_body(row, now))
    delay = settings.late_delay if body.token is Token.LATE else settings.webhook_delay
    id, outcome = f"ch_{uuid7().hex}", _outcome(body)
    waits = outcome == "action_required"
    values = {
        "id": id,
        "idempotency_key": key,
        "fingerprint": fingerprint,
        "amount": body.amount,
        "refunded": 0,
        "currency": body.currency,
        "reference": body.reference,
        "metadata": json.dumps(body.metadata),
        "token": body.token.value,
        "outcome": outcome,
        "created_at": now,
        "settles_at": now if waits else now + delay,
        "capture": body.capture,
        "captured": body.amount if outcome == "succeeded" else 0,
        "action_url": f"{settings.customers_url}/confirmations/{id}" if waits else None,
        "traceparent": traceparent,
    }
    _insert(db, "charges", values)
    _schedule_outcome(db, values, now + delay, settings)
    return Made(charge_body(values, now), new=True, due_at=now + delay)


def _outcome(body: ChargeIn) -> str:
    if body.token is Token.DECLINED:
        return "declined"
    if body.token is Token.ACTION_REQUIRED:
        return "action_required"
    return "authorised" if body.token is Token.AUTHORISED or not body.capture else "succeeded"


def _schedule_outcome(db: sqlite3.Connection, charge: Json, settled: float, settings: GatewaySettings) -> None:
    outcome = _event(charge, settled)
    if charge["token"] == Token.NO_WEBHOOK:
        return
    later = settled + settings.duplicate_delay
    for due_at in (settled, settled, settled, later) if charge["token"] == Token.DUPLICATE else (settled,):
        webhooks.schedule(db, outcome, due_at, charge["traceparent"])
    if charge["token"] in (Token.DUPLICATE, Token.REVERSED):
        webhooks.schedule(db, _event(charge, charge["created_at"]), later, charge["traceparent"])


def _event(charge: sqlite3.Row | Json, at: float) -> str:
    body = charge_body(charge, at)
    name = "failed" if body["status"] == "declined" else body["status"]
    return webhooks.event(f"charge.{name}", at, {"charge": body})


def capture_charge(
    db: sqlite3.Connection, id: str, body: CaptureIn, key: str, *, now: float, settings: GatewaySettings
) -> Made:
    """Captures an authorised charge or a part of it; the rest is released. Raises: Rejected."""
    charge = find_charge(db, id)
    if _is_repeated(db, key, {"capture": id, **body.model_dump()}):
        return Made(charge_body(charge, now), new=False, due_at=now)
    if (status := _status(charge, now)) != "authorised":
        raise Rejected(422, "charge-not-capturable", f"The charge is {status}.")
    amount = body.amount or charge["amount"]
    if amount > charge["amount"]:
        raise Rejected(422, "capture-above-charge", f"{amount} was asked for; {charge['amount']} is authorised.")
    return _decide(db, charge, "succeeded", now, settings, amount)


def cancel_charge(db: sqlite3.Connection, id: str, key: str, *, now: float, settings: GatewaySettings) -> Made:
    """Voids a charge that is authorised or waits for its customer. Raises: Rejected."""
    charge = find_charge(db, id)
    if _is_repeated(db, key, {"cancel": id}):
        return Made(charge_body(charge, now), new=False, due_at=now)
    if (status := _status(charge, now)) not in ("action_required", "authorised"):
        raise Rejected(422, "charge-not-cancellable", f"The charge is {status}.")
    return _decide(db, charge, "voided", now, settings)


def answer_for_customer(
    db: sqlite3.Connection, id: str, confirmed: bool, *, now: float, settings: GatewaySettings
) -> Made:
    """Stores whether the customer confirms the charge. Later answers change nothing. Raises: Rejected."""
    charge = find_charge(db, id)
    if charge["outcome"] != "action_required":
        return Made(charge_body(charge, now), new=False, due_at=now)
    if not confirmed:
        return _decide(db, charge, "declined", now, settings)
    if charge["capture"]:
        return _decide(db, charge, "succeeded", now, settings, charge["amount"])
    return _decide(db, charge, "authorised", now, settings)


def _decide(
    db: sqlite3.Connection, charge: sqlite3.Row, outcome: str, now: float, settings: GatewaySettings, captured: int = 0
) -> Made:
    db.execute(
        "UPDATE charges SET outcome = ?, captured = ?, settles_at = ? WHERE id = ?",
        (outcome, captured, now, charge["id"]),
    )
    decided = find_charge(db, charge["id"])
    due_at = now + settings.webhook_delay
    webhooks.schedule(db, _event(decided, now), due_at, decided["traceparent"])
    return Made(charge_body(decided, now), new=True, due_at=due_at)


def _is_repeated(db: sqlite3.Connection, key: str, request: Json) -> bool:
    """Whether this key was used before; if not, stores it. Raises: Rejected, if it was used for another request."""
    fingerprint = _fingerprint(request)
    if row := db.execute("SELECT fingerprint FROM changes WHERE idempotency_key = ?", (key,)).fetchone():
        if row["fingerprint"] != fingerprint:
            raise key_reused()
        return True
    db.execute("INSERT INTO changes (idempotency_key, fingerprint) VALUES (?, ?)", (key, fingerprint))
    return False


def make_refund(
    db: sqlite3.Connection,
    charge_id: str,
    body: RefundIn,
    key: str,
    traceparent: str | None = None,
    *,
    now: float,
    settings: GatewaySettings,
) -> Made:
    """Refunds a charge in full or in part; the webhook continues `traceparent`. Raises: Rejected, if the charge has not
    succeeded, or if less of it is left."""
    fingerprint = _fingerprint({"charge_id": charge_id, **body.model_dump(mode="json")})
    if row := db.execute("SELECT * FROM refunds WHERE idempotency_key = ?", (key,)).fetchone():
        return _again(row, fingerprint, refund_body(row, now))
    charge = find_charge(db, charge_id)
    if _status(charge, now) != "succeeded":
        raise Rejected(422, "charge-not-refundable", f"The charge is {_status(charge, now)}.")
    if body.amount > (left := charge["captured"] - charge["refunded"]):
        raise Rejected(422, "refund-above-charge", f"{body.amount} was asked for; {left} is left.")
    values = {
        "id": f"re_{uuid7().hex}",
        "idempotency_key": key,
        "fingerprint": fingerprint,
        "charge_id": charge_id,
        "amount": body.amount,
        "currency": charge["currency"],
        "reference": charge["reference"],
        "reason": body.reason,
        "created_at": now,
        "settles_at": now + settings.webhook_delay,
    }
    _insert(db, "refunds", values)
    db.execute("UPDATE charges SET refunded = refunded + ? WHERE id = ?", (body.amount, charge_id))
    settled = values["settles_at"]
    succeeded = webhooks.event("refund.succeeded", settled, {"refund": refund_body(values, settled)})
    webhooks.schedule(db, succeeded, settled, traceparent)
    return Made(refund_body(values, now), new=True, due_at=settled)


def find_charge(db: sqlite3.Connection, id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute("SELECT * FROM charges WHERE id = ?", (id,)).fetchone()
    if row is None:
        raise Rejected(404, "not-found", f"There is no charge {id}.")
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
        "failure_reason": FAILURE_REASONS[row["token"]] if status == "declined" else None,
        "next_action": {"type": "redirect", "url": row["action_url"]} if status == "action_required" else None,
        "captured": row["captured"] if status == "succeeded" else 0,
        "refunded": row["refunded"],
        "created": int(row["created_at"]),
    }


def refund_body(row: sqlite3.Row | Json, now: float) -> Json:
    shown = ("id", "charge_id", "amount", "currency", "reference", "reason", "idempotency_key")
    status = "succeeded" if now >= row["settles_at"] else "pending"
    return {**{name: row[name] for name in shown}, "status": status, "created": int(row["created_at"])}


def list_charges(db: sqlite3.Connection, now: float, limit: int, cursor: str | None, **equal: str | None) -> Json:
    rows, next = _page(db, "charges", limit, cursor, equal)
    return {"items": [charge_body(row, now) for row in rows], "next": next}


def list_refunds(db: sqlite3.Connection, now: float, limit: int, cursor: str | None, **equal: str | None) -> Json:
    rows, next = _page(db, "refunds", limit, cursor, equal)
    return {"items": [refund_body(row, now) for row in rows], "next": next}


def totals(db: sqlite3.Connection, now: float) -> Json:
    """Counts and sums of charges and refunds by currency, computed from the rows."""
    counts = ", ".join(f"sum(settles_at <= :now AND outcome = '{status}') AS {status}" for status in STATUSES)
    charges = db.execute(
        f"""
        SELECT currency, count(*) AS charges, sum(settles_at > :now) AS pending, {counts},
               sum(captured * (settles_at <= :now)) AS captured
        FROM charges GROUP BY currency ORDER BY currency
        """,  # noqa: S608 (the statuses above)
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


# The names of table and columns come from this file; user input is passed as parameters.
def _insert(db: sqlite3.Connection, table: str, values: Json) -> None:
    columns = ", ".join(values)
    db.execute(f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(values))})", tuple(values.values()))  # noqa: S608


def _page(
    db: sqlite3.Connection, table: str, limit: int, cursor: str | None, equal: dict[str, str | None]
) -> tuple[list[sqlite3.Row], str | None]:
    wanted = {column: value for column, value in equal.items() if value is not None}
    where = " AND ".join(["true", *(f"{column} = ?" for column in wanted)])
    return page(db, f"SELECT * FROM {table}", where, list(wanted.values()), limit, cursor)  # noqa: S608
