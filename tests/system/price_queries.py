"""What orders cost and what was invoiced, as the database of the order service has it."""

AMOUNTS = """
SELECT o.id, o.total, o.tax, o.discount, o.redeemed, coalesce((o.shipping ->> 'total')::bigint, 0) AS shipping,
       coalesce((o.shipping ->> 'tax')::bigint, 0) AS shipping_tax,
       coalesce((o.shipping ->> 'discount')::bigint, 0) AS shipping_discount,
       l.total AS line_total, l.tax AS line_tax, l.discount AS line_discount,
       (SELECT coalesce(sum(amount), 0) FROM order_adjustments a WHERE a.order_id = o.id) AS adjusted,
       (SELECT count(*) FROM redemptions r WHERE r.order_id = o.id) AS redemptions,
       (SELECT count(*) FROM redemptions r WHERE r.order_id = o.id AND released_at IS NULL
           AND o.status IN ('rejected', 'cancelled', 'expired')) AS kept
FROM orders o, LATERAL (
    SELECT sum(total)::bigint AS total, sum(tax)::bigint AS tax, sum(discount)::bigint AS discount
    FROM order_lines WHERE order_id = o.id
) AS l
"""
USES = """
SELECT u.promotion_id, u.used, (
    SELECT count(*) FROM redemptions r WHERE r.promotion_id = u.promotion_id AND r.released_at IS NULL
) AS redeemed FROM promotion_uses u
"""
SERIES = "SELECT series, count(*) AS invoices, max(number) AS highest FROM invoices GROUP BY series"
INVOICED = """
SELECT o.id, o.status, o.total, o.captured, o.refunded,
       count(i.id) FILTER (WHERE i.kind = 'invoice') AS invoices,
       coalesce(sum(i.total) FILTER (WHERE i.kind = 'invoice'), 0) AS invoiced,
       coalesce(sum(i.total) FILTER (WHERE i.kind = 'credit_note'), 0) AS credited
FROM invoice_policy CROSS JOIN orders o LEFT JOIN invoices i ON i.order_id = o.id GROUP BY o.id
"""
