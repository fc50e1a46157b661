"""Synonyms, which staff maintain, and the words of the catalogue, which a job collects."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Column, Computed, Index, Text
from sqlmodel import Field

from product_service.base import Base
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem

MAX_SYNONYMS = 2000
"""Rows of the table `synonyms`."""


class TooManySynonyms(Problem, status=409, type="too-many-synonyms"):
    """There can be {limit} synonyms at most: merge some, or delete those that are not needed."""


class Synonym(Base, table=True):
    """A search for one of `words` also finds each of `also`; if `also` is empty, it finds the other `words`.

    All are stored without case and accents, as they are compared.
    """

    __tablename__ = "synonyms"
    __table_args__ = (Index("ix_synonyms_words", "words", postgresql_using="gin"),)

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    words: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    also: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), nullable=False))
    version: int = 1
    created_at: datetime = Field(default_factory=utcnow)
    updated_at: datetime = Field(default_factory=utcnow)


class SearchWord(Base, table=True):
    """A word in names of products on sale, without case and accents, and how many have it.

    `deletions`: the word, and the word without each of its characters. Words with one of them in common differ by one
    edit, or by two.
    """

    __tablename__ = "search_words"
    __table_args__ = (
        Index("ix_search_words_deletions", "deletions", postgresql_using="gin"),
        Index("ix_search_words_word", "word", postgresql_using="gin", postgresql_ops={"word": "gin_trgm_ops"}),
    )

    word: str = Field(sa_column=Column(Text(collation="C"), primary_key=True))
    products: int = Field(sa_type=BigInteger)
    deletions: list[str] = Field(
        sa_column=Column(ARRAY(Text), Computed("deletions(word)", persisted=True), nullable=False)
    )
