"""Every event, one module per topic.

Importing any part of this package imports all of it, so that `by_type` never misses one.
"""

from importlib import import_module
from pkgutil import iter_modules

from contracts.events.base import Event, by_type, registered

for module in iter_modules(__path__, f"{__name__}."):
    import_module(module.name)

EVENTS: tuple[type[Event], ...] = registered()

__all__ = ["EVENTS", "Event", "by_type"]
