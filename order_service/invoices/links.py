"""Signed links to an invoice, for mails: whoever has one can see that invoice without signing in, until it expires.

A token is the invoice's id, the time at which it expires, and their HMAC-SHA256 under the secret of the settings.
"""

import base64
import hashlib
import hmac
import struct
from datetime import UTC, datetime
from uuid import UUID

from order_service.invoices.models import InvoiceLinkExpired, InvoiceLinkInvalid

_CONTENT = struct.Struct(">16sQ")
_PURPOSE = b"invoice-link:"
"""Part of what is signed, so that no other use of the secret can make a link."""


def make_token(invoice_id: UUID, expires_at: datetime, secret: str) -> str:
    content = _CONTENT.pack(invoice_id.bytes, int(expires_at.timestamp()))
    return base64.urlsafe_b64encode(content + _signature(content, secret)).decode()


def read_token(token: str, now: datetime, secret: str) -> UUID:
    """The id of the invoice. Raises: InvoiceLinkInvalid, InvoiceLinkExpired."""
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except ValueError as error:
        raise InvoiceLinkInvalid from error
    content, signature = raw[: _CONTENT.size], raw[_CONTENT.size :]
    if not hmac.compare_digest(signature, _signature(content, secret)):
        raise InvoiceLinkInvalid
    id, expires_at = _CONTENT.unpack(content)
    if now.timestamp() >= expires_at:
        raise InvoiceLinkExpired(until=datetime.fromtimestamp(expires_at, UTC).isoformat())
    return UUID(bytes=id)


def _signature(content: bytes, secret: str) -> bytes:
    return hmac.digest(secret.encode(), _PURPOSE + content, hashlib.sha256)
