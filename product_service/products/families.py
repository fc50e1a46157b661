"""Families: products that differ only in some options, such as size and colour. Each product is sold by itself, with a
SKU, a price and stock of its own; the family groups them and names their options."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import product as combinations
from math import prod
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from product_service.base import Base
from product_service.text import WORDS_OF_NAME
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem

MAX_VARIANTS = 200
"""Products in one family: its page shows all of them."""

Options = dict[str, str]
"""A value for each option of the family, by the option's name."""


class FamilyUnknown(Problem, status=409, type="family-unknown"):
    """There is no family {family_id} to put this product into."""


class OptionUnknown(Problem, status=409, type="option-unknown"):
    """A product of this family needs one value for each of its options, and no others: `known` has them."""


class VariantExists(Problem, status=409, type="variant-exists"):
    """The product {product_id} of this family has the same options already."""


class OptionsInUse(Problem, status=409, type="options-in-use"):
    """Products of the family don't fit these options: `product_ids` names them. Change or remove them first."""


class FamilyNotEmpty(Problem, status=409, type="family-not-empty"):
    """The family still has {products} products: take them out of it first."""


class TooManyVariants(Problem, status=409, type="too-many-variants"):
    """A family can have {limit} products at most; it would have {count}."""


class Family(Base, table=True):
    """`options`: each with its `name` and `values`, in the sequence in which they are shown."""

    __tablename__ = "families"
    __table_args__ = (
        Index("ix_families_category_id", "category_id"),
        Index("ix_families_words", text(WORDS_OF_NAME), postgresql_using="gin"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    name: str
    slug: str = Field(unique=True)
    description: str | None = None
    category_id: UUID | None = Field(default=None, foreign_key="categories.id")
    options: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    images: list[dict[str, Any]] = Field(
        default_factory=list, sa_column=Column(JSONB, nullable=False, server_default=text("'[]'::jsonb"))
    )
    """A copy of what `media` stores of its images, so that a family is read from one row."""
    version: int = 1
    created_at: datetime = Field(default_factory=utcnow)
    updated_at: datetime = Field(default_factory=utcnow)

    @property
    def values(self) -> dict[str, list[str]]:
        """The values of each option, by its name."""
        return {each["name"]: each["values"] for each in self.options}

    def fits(self, options: Mapping[str, str]) -> bool:
        values = self.values
        return options.keys() == values.keys() and all(value in values[name] for name, value in options.items())

    def check(self, options: Mapping[str, str]) -> None:
        """Raises: OptionUnknown."""
        if not self.fits(options):
            raise OptionUnknown(known=self.values)

    def combinations(self, wanted: Mapping[str, list[str]], limit: int) -> Iterator[Options]:
        """All combinations of options, or (`wanted`) those with one of these values.

        Raises: OptionUnknown; TooManyVariants, before the first, if there are more than `limit`.
        """
        values = self.values
        if any(name not in values or not set(some) <= set(values[name]) for name, some in wanted.items()):
            raise OptionUnknown(known=values)
        chosen = [[each for each in values[name] if each in wanted.get(name, values[name])] for name in values]
        if (count := prod(map(len, chosen))) > limit:
            raise TooManyVariants(limit=limit, count=count)
        for combination in combinations(*chosen):
            yield dict(zip(values, combination, strict=True))
