"""Products, and their rules."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Computed, Index, Text, UniqueConstraint, event, text
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlmodel import Field

from product_service.base import Base
from product_service.products.sort_key import sort_key
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem


class CategoryUnknown(Problem, status=409, type="category-unknown"):
    """There is no category {category_id} to put this into."""


class Status(StrEnum):
    DRAFT = "draft"
    ACTIVE = "active"
    ARCHIVED = "archived"


class SkuTaken(Problem, status=409, type="sku-taken"):
    """The SKU {sku} is the product {product_id}'s."""


class GtinTaken(Problem, status=409, type="gtin-taken"):
    """The GTIN {gtin} is another product's: `product_id` names it."""


class NotADraftAgain(Problem, status=409, type="not-a-draft-again"):
    """A product that is {product_status} can't become a draft again: archive it to take it off sale."""


class ProductHasHistory(Problem, status=409, type="product-has-history"):
    """Only drafts that never had stock can be deleted, for orders and stock refer to the others: archive it."""


BY_CHARACTER = "by_character(({0}name::text || ' '::text) || COALESCE({0}description, ''::character varying)::text)"
"""The indexed expression that is searched by character, as PostgreSQL prints it. {0}: the table's alias and a dot."""

COMPOUND_PARTS = "compound_parts({0}name::text)"
"""The indexed expression that is searched for the parts of what PostgreSQL indexes as one word, such as `red/white`."""

_SEARCH_VECTOR = (
    "(setweight(to_tsvector('english'::regconfig, fold((sku || ' '::text) || name)), 'A'::\"char\")"
    " || setweight(to_tsvector('english'::regconfig, fold(COALESCE(description, ''::text))), 'D'::\"char\"))"
)


def _json(default: str) -> Column[Any]:
    return Column(JSONB, nullable=False, server_default=text(f"'{default}'::jsonb"))


class Product(Base, table=True):
    """`price_*` is the base price. Scheduled prices, which take precedence, are in `prices`."""

    __tablename__ = "products"
    __table_args__ = (
        CheckConstraint("status IN ('draft', 'active', 'archived')", name="status"),
        CheckConstraint("price_amount > 0", name="price_amount"),
        CheckConstraint("weight_g > 0", name="weight_g"),
        CheckConstraint("(family_id IS NULL) = (options = '{}'::jsonb)", name="options"),
        Index(
            "uq_products_variant", "family_id", "options", unique=True, postgresql_where=text("family_id IS NOT NULL")
        ),
        Index("uq_products_gtin", "gtin", unique=True, postgresql_where=text("gtin IS NOT NULL")),
        Index("ix_products_tags", "tags", postgresql_using="gin", postgresql_ops={"tags": "jsonb_path_ops"}),
        Index(
            "ix_products_external_ids",
            "external_ids",
            postgresql_using="gin",
            postgresql_ops={"external_ids": "jsonb_path_ops"},
        ),
        Index(
            "ix_products_attributes",
            "attributes",
            postgresql_using="gin",
            postgresql_ops={"attributes": "jsonb_path_ops"},
        ),
        Index("ix_products_options", "options", postgresql_using="gin", postgresql_ops={"options": "jsonb_path_ops"}),
        Index("ix_products_brand", "brand", postgresql_where=text("brand IS NOT NULL")),
        Index("ix_products_status_created_at", "status", "created_at", "id"),
        Index("ix_products_status_sort_key", "status", "sort_key", "id"),
        Index("ix_products_by_character", text(BY_CHARACTER.format("")), postgresql_using="gin"),
        Index("ix_products_compound_parts", text(COMPOUND_PARTS.format("")), postgresql_using="gin"),
        Index("ix_products_without_sort_key", "id", postgresql_where=text("sort_key = ''")),
        # PostgreSQL computes the columns that are searched; sessions never load them. Migration 0100 creates `fold`,
        # which removes case and accents.
        Column("search_text", Text, Computed("fold((sku || ' '::text) || name)", persisted=True), nullable=False),
        Column("search_vector", TSVECTOR, Computed(_SEARCH_VECTOR, persisted=True), nullable=False),
        Index("ix_products_search_vector", "search_vector", postgresql_using="gin"),
        Index(
            "ix_products_search_text",
            "search_text",
            postgresql_using="gin",
            postgresql_ops={"search_text": "gin_trgm_ops"},
        ),
    )
    __mapper_args__: ClassVar = {"exclude_properties": ["search_text", "search_vector"]}

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    sku: str = Field(unique=True)
    slug: str = Field(unique=True)
    name: str
    sort_key: str = Field(sa_column=Column(Text(collation="C"), nullable=False, server_default=""))
    """Computed from the name whenever that is set, for lists that are sorted by name."""
    description: str | None = None
    category_id: UUID | None = Field(default=None, foreign_key="categories.id", index=True)
    attributes: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))
    family_id: UUID | None = Field(default=None, foreign_key="families.id")
    options: dict[str, str] = Field(default_factory=dict, sa_column=_json("{}"))
    """A value for each option of the family."""
    brand: str | None = None
    gtin: str | None = Field(default=None, description="the number in the bar code, with its check digit")
    dimensions: dict[str, int] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    external_ids: dict[str, str] = Field(default_factory=dict, sa_column=_json("{}"))
    """The ids of the product in other systems, by the name of the system."""
    meta: dict[str, Any] = Field(default_factory=dict, sa_column=_json("{}"))
    """Whatever staff and other systems keep here; the shop doesn't read it."""
    seo: dict[str, str] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    tags: list[str] = Field(default_factory=list, sa_column=_json("[]"))
    images: list[dict[str, Any]] = Field(default_factory=list, sa_column=_json("[]"))
    """A copy of what `media` stores of its images, so that a product is read from one row."""
    price_amount: int = Field(sa_type=BigInteger)
    price_currency: str
    price_prior_amount: int | None = Field(default=None, sa_type=BigInteger)
    """The lowest public price shortly before the base price was last changed, as `prior_prices` computes it."""
    activated_at: datetime | None = Field(default=None, description="null for drafts, and for products of old releases")
    tax_class: str = Field(default="standard", sa_column_kwargs={"server_default": "standard"})
    weight_g: int | None = Field(default=None, description="of one piece, in grams; null: not known")
    status: str = Status.DRAFT
    version: int = 1
    created_at: datetime = Field(default_factory=utcnow)
    updated_at: datetime = Field(default_factory=utcnow)

    @property
    def on_sale_since(self) -> datetime | None:
        """When it was put on sale first. Releases before 0.10 didn't record it: then it counts as on sale since its
        creation, so that no price that customers may have seen is left out of a prior price."""
        return None if self.status == Status.DRAFT else self.activated_at or self.created_at

    def change(self, changes: dict[str, Any]) -> bool:
        """Sets the fields that differ. Returns whether any did. Raises: NotADraftAgain."""
        if changes.get("status") == Status.DRAFT != self.status:
            raise NotADraftAgain(product_status=self.status)
        if changes.get("status") == Status.ACTIVE and self.status == Status.DRAFT:
            self.activated_at = utcnow()
        differing = {name: value for name, value in changes.items() if getattr(self, name) != value}
        self.sqlmodel_update(differing)
        return bool(differing)

    def check_deletable(self, *, had_stock: bool) -> None:
        """Raises: ProductHasHistory. A draft was never published, since no product becomes a draft again."""
        if self.status != Status.DRAFT or had_stock:
            raise ProductHasHistory


class Republication(Base, table=True):
    """A request to publish all products again (`category_id` null), or those in a category and below it.

    `after_id`: the last product that was published again; products are taken in the order of their ids. A request
    that is repeated before it is done begins again.
    """

    __tablename__ = "republications"
    __table_args__ = (UniqueConstraint("category_id", postgresql_nulls_not_distinct=True),)

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    category_id: UUID | None = None
    after_id: UUID = Field(default=UUID(int=0))
    requested_at: datetime = Field(default_factory=utcnow)


@event.listens_for(Product.name, "set")
def _set_sort_key(product: Product, name: str, *_: object) -> None:
    product.sort_key = sort_key(name)
