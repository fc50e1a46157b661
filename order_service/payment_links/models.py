"""Payment links, their tokens, and the count of invalid ones."""

import base64
import binascii
import hashlib
import hmac
import secrets
from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, LargeBinary
from sqlmodel import Field

from order_service.base import Base
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem

ID_BYTES, SECRET_BYTES = 16, 32


class PaymentLinkInvalid(Problem, status=404, type="payment-link-invalid"):
    """This payment link is not valid: it is unknown, has expired, was used, or was replaced. Ask the shop for another
    one."""


class PaymentLink(Base, table=True):
    """The present link of a draft or an order. It is valid as long as that can be paid: a draft until it expires, and
    then the order that it became, as any other order, until its `pay_by`."""

    __tablename__ = "payment_links"
    __table_args__ = (CheckConstraint("num_nonnulls(draft_id, order_id) = 1", name="subject"),)

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    draft_id: UUID | None = Field(default=None, foreign_key="drafts.id", ondelete="CASCADE", unique=True)
    order_id: UUID | None = Field(default=None, foreign_key="orders.id", unique=True)
    secret_hash: bytes = Field(sa_type=LargeBinary)
    created_by: UUID
    created_at: datetime = Field(default_factory=utcnow)


class InvalidLinkAttempts(Base, table=True):
    """How often invalid links came from a client address within an hour."""

    __tablename__ = "invalid_link_attempts"

    address: str = Field(primary_key=True)
    attempts: int
    since: datetime = Field(index=True)


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def hash_of(secret: bytes) -> bytes:
    """SHA-256 without a salt is enough, since 256 random bits can't be guessed."""
    return hashlib.sha256(secret).digest()


def token_of(link_id: UUID, secret: bytes) -> str:
    """64 characters that a URL can contain."""
    return base64.urlsafe_b64encode(link_id.bytes + secret).decode()


def read_token(token: str) -> tuple[UUID, bytes] | None:
    """The link's id and the secret; None: no token has this form."""
    try:
        found = base64.b64decode(token, altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
    if len(found) != ID_BYTES + SECRET_BYTES:
        return None
    return UUID(bytes=found[:ID_BYTES]), found[ID_BYTES:]


def is_secret(secret: bytes, secret_hash: bytes) -> bool:
    return hmac.compare_digest(hash_of(secret), secret_hash)
