"""Payments of orders: charged once, and refunded automatically when no order wants the money."""
