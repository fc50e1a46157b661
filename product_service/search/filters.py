"""Reads filters by attribute and option, `name:value`, with the kinds that the registry knows."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from product_service.attributes.models import Kind
from service_kit.problems import Problem

Scalar = str | int | float | bool
_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?", re.ASCII)
_BOOLEANS = {"true": True, "false": False}


class AttributeNotListed(Problem, status=422, type="attribute-not-listed"):
    """Products can't be filtered by the attribute {name}: `GET /attributes` lists the possible ones."""


class FilterUnreadable(Problem, status=422, type="filter-unreadable"):
    """The filter {filter} can't be read: write {form}."""


@dataclass(frozen=True)
class Range:
    """Numbers between two limits, which are included; None: no limit."""

    least: float | None
    most: float | None


@dataclass
class Choice:
    """What one attribute or option may be: one of these values, or in one of these ranges."""

    values: list[Scalar] = field(default_factory=list)
    ranges: list[Range] = field(default_factory=list)


def names(filters: Iterable[str]) -> set[str]:
    return {each.partition(":")[0] for each in filters}


def choices(filters: Iterable[str], kinds: Mapping[str, Kind] | None) -> dict[str, Choice]:
    """The choices by name. `kinds`: of each attribute; None: all are texts.

    Raises: AttributeNotListed, FilterUnreadable.
    """
    found: dict[str, Choice] = {}
    for each in filters:
        name, colon, value = each.partition(":")
        if not colon or not value:
            raise FilterUnreadable(filter=each, form="name:value")
        kind = Kind.TEXT if kinds is None else kinds.get(name)
        if kind is None:
            raise AttributeNotListed(name=name)
        _add(found.setdefault(name, Choice()), each, kind, value)
    return found


def _add(choice: Choice, filter: str, kind: Kind, value: str) -> None:
    least, dots, most = value.partition("..")
    if kind is Kind.TEXT:
        choice.values.append(value)
    elif kind is Kind.BOOLEAN:
        if value not in _BOOLEANS:
            raise FilterUnreadable(filter=filter, form="name:true or name:false")
        choice.values.append(_BOOLEANS[value])
    elif dots and (least or most):
        choice.ranges.append(Range(_limit(filter, least), _limit(filter, most)))
    else:
        choice.values.append(_number(filter, value))


def _limit(filter: str, text: str) -> float | None:
    return _number(filter, text) if text else None


def _number(filter: str, text: str) -> int | float:
    if not _NUMBER.fullmatch(text):
        raise FilterUnreadable(filter=filter, form="a number, as in name:12.5, or a range, as in name:10..20")
    return float(text) if "." in text else int(text)
