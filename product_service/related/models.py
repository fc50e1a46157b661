"""Products that go with another one: those that staff name, and those that are often bought with it."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Double, ForeignKey, SmallInteger, Uuid, text
from sqlmodel import Field

from product_service.base import Base
from service_kit.problems import Problem


class LinkedProductUnknown(Problem, status=409, type="linked-product-unknown"):
    """There are no products with these ids: `product_ids` names them."""


class LinkKind(StrEnum):
    ACCESSORY = "accessory"
    ALTERNATIVE = "alternative"
    SPARE_PART = "spare_part"


def _product(*, primary_key: bool = True) -> Column[UUID]:
    return Column(Uuid, ForeignKey("products.id", ondelete="CASCADE"), primary_key=primary_key)


class ProductLink(Base, table=True):
    """That staff show `other_id` beside the product, at this position."""

    __tablename__ = "product_links"
    __table_args__ = (
        CheckConstraint("kind IN ('accessory', 'alternative', 'spare_part')", name="kind"),
        CheckConstraint("product_id <> other_id", name="other_id"),
    )

    product_id: UUID = Field(sa_column=_product())
    other_id: UUID = Field(sa_column=_product())
    kind: str
    position: int


class BoughtTogether(Base, table=True):
    """That both products were in the same orders. `score`: the number of those orders, of which old ones count less."""

    __tablename__ = "bought_together"

    product_id: UUID = Field(sa_column=_product())
    other_id: UUID = Field(sa_column=_product())
    score: float = Field(sa_type=Double)


class BoughtTogetherRun(Base, table=True):
    """How far the present round over all products has come: up to the product `after_id`."""

    __tablename__ = "bought_together_runs"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: int = Field(
        default=1, sa_column=Column(SmallInteger, primary_key=True, autoincrement=False, server_default=text("1"))
    )
    after_id: UUID | None = Field(default=None, description="null: the round is done")
    began_at: datetime
