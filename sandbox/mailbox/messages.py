"""Parses mails, and contains every SQL statement about stored messages."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from typing import Any, cast

from sandbox.database import page

SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    received_at REAL NOT NULL,
    sender TEXT NOT NULL,
    recipients TEXT NOT NULL,
    subject TEXT NOT NULL,
    message_id TEXT,
    size INTEGER NOT NULL,
    raw BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS messages_by_message_id ON messages (message_id);
CREATE TABLE IF NOT EXISTS recipients (
    address TEXT NOT NULL,
    seq INTEGER NOT NULL REFERENCES messages (seq),
    PRIMARY KEY (address, seq)
) WITHOUT ROWID;
"""

SHOWN = "seq, received_at, sender, recipients, subject, message_id, size"
Json = dict[str, Any]

# The parser with the default policy takes ten times as long, which would slow receiving down.
_headers_of = BytesHeaderParser(policy=policy.compat32)


def store(db: sqlite3.Connection, now: float, sender: str, recipients: Sequence[str], raw: bytes) -> None:
    headers = _headers_of.parsebytes(raw)
    message_id = headers["Message-ID"]
    row = db.execute(
        "INSERT INTO messages (received_at, sender, recipients, subject, message_id, size, raw) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            now,
            sender,
            ", ".join(recipients),
            _readable(headers["Subject"]),
            str(message_id).strip() if message_id else None,
            len(raw),
            raw,
        ),
    )
    addresses = {(address.lower(), row.lastrowid) for address in recipients}
    db.executemany("INSERT INTO recipients (address, seq) VALUES (?, ?)", addresses)


def list_messages(
    db: sqlite3.Connection, to: str | None, limit: int, cursor: str | None, *, beginning: bool = False
) -> Json:
    """Newest first. `to`: a recipient's address, or its beginning if `beginning` is true."""
    rows, next = page(db, f"SELECT {SHOWN} FROM messages", *_addressed(to, beginning), limit, cursor)  # noqa: S608
    return {"items": [summary(row) for row in rows], "next": next}


def count(db: sqlite3.Connection, to: str | None, *, distinct: bool = False, beginning: bool = False) -> int:
    """`distinct`: messages with the same Message-ID count once; each message without one counts."""
    where, values = _addressed(to, beginning)
    what = "count(DISTINCT coalesce(message_id, seq))" if distinct else "count(*)"
    row = db.execute(f"SELECT {what} FROM messages WHERE {where}", values).fetchone()  # noqa: S608
    return int(row[0])


def find(db: sqlite3.Connection, seq: int) -> sqlite3.Row | None:
    row = db.execute(f"SELECT {SHOWN}, raw FROM messages WHERE seq = ?", (seq,)).fetchone()  # noqa: S608
    return cast("sqlite3.Row | None", row)


def clear(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM recipients")
    db.execute("DELETE FROM messages")


def summary(row: sqlite3.Row) -> Json:
    return {
        "id": str(row["seq"]),
        "received_at": datetime.fromtimestamp(row["received_at"], UTC).isoformat(),
        "from": row["sender"],
        "to": row["recipients"].split(", "),
        "subject": row["subject"],
        "message_id": row["message_id"],
        "size": row["size"],
    }


def whole(row: sqlite3.Row) -> Json:
    mail = message_from_bytes(row["raw"], policy=policy.default)
    return {
        **summary(row),
        "headers": [{"name": name, "value": str(value)} for name, value in mail.items()],
        "text": _body(mail, "plain"),
        "html": _body(mail, "html"),
        "attachments": [
            {"name": part.get_filename() or "unnamed", "type": part.get_content_type(), "size": _size(part)}
            for part in mail.iter_attachments()
        ],
    }


def _addressed(to: str | None, beginning: bool) -> tuple[str, tuple[str, ...]]:
    if not to:
        return "true", ()
    address = to.lower()
    if beginning:
        bounds = (address, address + "\U0010ffff")
        return "seq IN (SELECT seq FROM recipients WHERE address >= ? AND address < ?)", bounds
    return "seq IN (SELECT seq FROM recipients WHERE address = ?)", (address,)


def _readable(header: Any) -> str:
    """A header decoded to Unicode, or as it is if its encoding is invalid."""
    text = str(header or "")
    if "=?" in text:
        try:
            text = str(make_header(decode_header(text)))
        except (LookupError, ValueError):
            return " ".join(text.split())
    return " ".join(text.encode("utf-8", "replace").decode().split())


def _body(mail: EmailMessage, kind: str) -> str | None:
    part = mail.get_body(preferencelist=(kind,))
    if part is None:
        return None
    try:
        return str(part.get_content())
    except LookupError:  # an unknown character set
        return cast(bytes, part.get_payload(decode=True)).decode("utf-8", "replace")


def _size(part: EmailMessage) -> int:
    payload = part.get_payload(decode=True)
    return len(payload) if isinstance(payload, bytes) else 0
