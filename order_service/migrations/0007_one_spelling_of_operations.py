"""One spelling of the operations of idempotency keys.

They were the path as it was typed. From now on they are the route with its parameters as they were understood, so that
an id in capitals is the same operation. Whoever tries a request again across the upgrade still gets the first answer.
"""

from uuid import UUID

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# The only parameters of these operations are UUIDs; what may stand in another spelling of one, and in no canonical one.
UNUSUAL = (
    "SELECT DISTINCT operation FROM idempotency_keys WHERE operation ~ '/[^/]*([A-F{]|urn:|[0-9a-f]{32})[^/]*(/|$)'"
)
SPELLINGS = "CREATE TEMPORARY TABLE spellings (old text PRIMARY KEY, new text NOT NULL) ON COMMIT DROP"
ADD = "INSERT INTO spellings (old, new) VALUES (:old, :new)"
# One key with two spellings was carried out twice: the first answer is the one that the caller was given first.
KEEP_THE_FIRST = """
DELETE FROM idempotency_keys AS k USING (
    SELECT user_id, operation, key,
           row_number() OVER (PARTITION BY user_id, coalesce(new, operation), key ORDER BY created_at, operation) AS n
    FROM idempotency_keys LEFT JOIN spellings ON old = operation
    WHERE old IS NOT NULL OR operation IN (SELECT new FROM spellings)
) AS ranked
WHERE n > 1 AND (k.user_id, k.operation, k.key) = (ranked.user_id, ranked.operation, ranked.key)
"""
REWRITE = "UPDATE idempotency_keys SET operation = new FROM spellings WHERE operation = old"


def upgrade() -> None:
    connection = op.get_bind()
    found = connection.execute(sa.text(UNUSUAL)).scalars().all()
    spellings = [{"old": each, "new": _canonical(each)} for each in found if _canonical(each) != each]
    if not spellings:
        return
    connection.execute(sa.text(SPELLINGS))
    connection.execute(sa.text(ADD), spellings)
    connection.execute(sa.text(KEEP_THE_FIRST))
    connection.execute(sa.text(REWRITE))


def downgrade() -> None:
    """Nothing: earlier code finds these operations by the usual spelling of their paths."""


def _canonical(operation: str) -> str:
    return "/".join(map(_segment, operation.split("/")))


def _segment(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return text
