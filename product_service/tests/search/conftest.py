"""Families, for lists that are collapsed by them."""

from product_service.tests.families.conftest import make_family

__all__ = ["make_family"]
