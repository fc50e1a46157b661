"""The metrics that a PromQL expression names, and those that exist."""

import importlib
import re
from collections.abc import Iterator

from prometheus_client import REGISTRY

from local_stack.parts import SERVICES

_NO_METRICS = re.compile(
    r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)|\$\w+'
)
_NAME = re.compile(r"(?<![\w.:])([a-zA-Z_:][\w:]*)(?!\w|\s*\()")
_WORDS = frozenset({"and", "or", "unless", "bool", "offset", "inf", "nan", "Inf", "NaN"})
_BOTH = re.compile(r'([a-zA-Z_:][\w:]*)\{((?:"[^"]*"|[^}"])*)\}')
_LABEL = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')


def metrics(expr: str) -> set[str]:
    """`rate(http_requests_total{job="a"}[5m])`: `http_requests_total`."""
    without_strings = re.sub(r'"[^"]*"', '""', expr)
    return set(_NAME.findall(_NO_METRICS.sub(" ", without_strings))) - _WORDS


def labels(expr: str) -> Iterator[tuple[str, str]]:
    """Each metric with each label that its selector names."""
    for metric, matchers in _BOTH.findall(expr):
        for label in _LABEL.findall(matchers):
            yield metric, label


def of_the_services() -> set[str]:
    """The series names of all metrics in the code of the kit and the five services."""
    for service in SERVICES:
        importlib.import_module(f"{service.package}.main")
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "info": ("_info",), "gauge": ("",)}
    return {
        family.name + ending for family in REGISTRY.collect() for ending in endings.get(family.type, ("",))
    }  # fmt: skip
