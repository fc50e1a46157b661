"""Every statement about returns. A transaction locks a return before the rows of `stock`."""

from inventory_service.returns.models import Return
from service_kit.database import Statement, columns, insert

EXPECT = Statement(f"{insert('returns', Return)} ON CONFLICT (id) DO NOTHING")
LOCK = Statement(f"SELECT {columns(Return)} FROM returns WHERE id = :id FOR UPDATE")
STORE = Statement("""
UPDATE returns SET status = :it.status, lines = :it.lines::jsonb, warehouse_id = :it.warehouse_id,
                   received_by = :it.received_by, received_at = :it.received_at,
                   closed_by = :it.closed_by, closed_at = :it.closed_at, version = :it.version
WHERE id = :it.id
""")
# Returns that have not arrived in time, except those that another transaction is receiving or closing.
CLOSE_OVERDUE = Statement("""
UPDATE returns SET status = 'closed', closed_at = now(), version = version + 1
WHERE id IN (
    SELECT id FROM returns WHERE status = 'expected' AND created_at < :expected_before
    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
)
RETURNING id AS return_id, order_id, customer_id, number, version
""")
