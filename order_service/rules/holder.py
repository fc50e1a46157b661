"""The rules that this process prices orders by."""

from order_service.pricing.rules import NO_RULES, Rules
from order_service.rules import queries
from service_kit.database import AnySession


class RulesHolder:
    """Holds the rules that were read last, one per process."""

    def __init__(self, home_country: str | None) -> None:
        self._home_country = home_country
        self._rules = NO_RULES

    async def current(self, db: AnySession, version: int) -> Rules:
        """The rules of this version, or newer ones. They are read from the database only if `version`, which the caller
        has just read, is not that of the rules in memory: once per change and process."""
        if version != self._rules.version:
            self._rules = await queries.load(db, self._home_country)
        return self._rules
