"""Categories, and the rules that keep them a tree of limited depth."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field

from product_service.base import Base
from product_service.products.models import CategoryUnknown
from product_service.text import WORDS_OF_NAME
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem

MAX_DEPTH = 10
MAX_CATEGORIES = 5000


class CategoryExists(Problem, status=409, type="category-exists"):
    """There is a category named {name} in the same place already."""


class CategoryNotEmpty(Problem, status=409, type="category-not-empty"):
    """The category still has {children} categories, {products} products and {families} families: move or delete them
    first."""


class CategoryCycle(Problem, status=409, type="category-cycle"):
    """A category can't be moved into itself or into one of its descendants."""


class CategoriesTooDeep(Problem, status=409, type="categories-too-deep"):
    """Categories can be nested {limit} levels deep at most."""


class TooManyCategories(Problem, status=409, type="too-many-categories"):
    """There can be {limit} categories at most."""


class Category(Base, table=True):
    __tablename__ = "categories"
    __table_args__ = (
        UniqueConstraint("parent_id", "name", postgresql_nulls_not_distinct=True),
        Index("ix_categories_name_id", "name", "id"),
        Index("ix_categories_words", text(WORDS_OF_NAME), postgresql_using="gin"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    parent_id: UUID | None = Field(default=None, foreign_key="categories.id")
    name: str
    slug: str = Field(unique=True)
    version: int = 1
    created_at: datetime = Field(default_factory=utcnow)


class Tree:
    """The parent of each category, and the rules that need to know all of them."""

    def __init__(self, parents: Iterable[tuple[UUID, UUID | None]]) -> None:
        self._parents = dict(parents)

    def check_addition(self, parent_id: UUID | None) -> None:
        """Raises: TooManyCategories, CategoryUnknown, CategoriesTooDeep."""
        if len(self._parents) >= MAX_CATEGORIES:
            raise TooManyCategories(limit=MAX_CATEGORIES)
        self._check_depth(parent_id, levels=1)

    def check_move(self, id: UUID, parent_id: UUID | None) -> None:
        """Raises: CategoryCycle, CategoryUnknown, CategoriesTooDeep."""
        if id == parent_id or id in self._ancestors(parent_id):
            raise CategoryCycle
        self._check_depth(parent_id, levels=self._height(id))

    def _check_depth(self, parent_id: UUID | None, levels: int) -> None:
        if parent_id is None:
            return
        if parent_id not in self._parents:
            raise CategoryUnknown(category_id=str(parent_id))
        if len(self._ancestors(parent_id)) + 1 + levels > MAX_DEPTH:
            raise CategoriesTooDeep(limit=MAX_DEPTH)

    def _ancestors(self, id: UUID | None) -> list[UUID]:
        found: list[UUID] = []
        while id is not None and (id := self._parents.get(id)) is not None:
            found.append(id)
        return found

    def _height(self, id: UUID) -> int:
        """The number of levels from the category down to the lowest of its descendants."""
        return 1 + max((above.index(id) + 1 for above in map(self._ancestors, self._parents) if id in above), default=0)
