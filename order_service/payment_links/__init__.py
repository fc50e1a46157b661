"""Links by which whoever has one pays an order, or a draft, without signing in."""
