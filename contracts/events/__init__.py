"""All events, in one module per topic.

Importing any module of this package imports all of them, so that `by_type` knows every event.
"""

from importlib import import_module
from pkgutil import iter_modules

from contracts.events.base import Event, by_type, registered

for module in iter_modules(__path__, f"{__name__}."):
    import_module(module.name)

EVENTS: tuple[type[Event], ...] = registered()

__all__ = ["EVENTS", "Event", "by_type"]
