"""The port to registries of tax ids. Each registry's terms stay in its adapter."""

from dataclasses import dataclass
from typing import Protocol


class RegistryUnreachable(Exception):
    """The registry gave no answer about the number, which may be valid or not: ask again later."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`reference`: the registry's proof that it was asked, if it gives one."""

    is_valid: bool
    reference: str | None = None


class TaxIdRegistry(Protocol):
    """`name`: for logs. `prefixes`: the first two letters of the numbers that it knows."""

    name: str
    prefixes: frozenset[str]

    async def check(self, number: str) -> Answer:
        """Whether the number is valid now. Raises: RegistryUnreachable."""


class TaxIdRegistries(tuple[TaxIdRegistry, ...]):
    """The registries of this installation; of two that know the same prefix, the first is asked."""
