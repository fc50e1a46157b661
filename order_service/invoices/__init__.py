"""Invoices and credit notes: issued with numbers without a gap, stored as they were issued, and rendered on request."""
