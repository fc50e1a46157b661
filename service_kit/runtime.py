"""The runtime of one process: it starts keys, revocations, messaging and jobs, and stops them in the opposite order."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import structlog

from service_kit.database import Database
from service_kit.database.revisions import lineages
from service_kit.http.capacity import Capacity
from service_kit.jobs import Job, Jobs
from service_kit.messaging.service import Messaging
from service_kit.messaging.subscriptions import Consumers
from service_kit.security.keys import FetchKeys, KeyRing, over_http
from service_kit.security.revocations import Revocations
from service_kit.security.tokens import TokenVerifier
from service_kit.settings import ServiceSettings
from service_kit.telemetry import metrics
from service_kit.telemetry.exporting import Exporting
from service_kit.version import VERSION

log = structlog.get_logger(__name__)
T = TypeVar("T")


def _release(service: str) -> dict[str, str]:
    kit, own = lineages(service)
    found = {"service": service, "version": VERSION, "revision": "none", "kit_revision": kit.head or "none"}
    with contextlib.suppress(ModuleNotFoundError):  # a test's service has no package
        found["revision"] = own.head or "none"
    return found


class Runtime:
    """A running service."""

    def __init__(
        self,
        settings: ServiceSettings,
        *,
        consumers: Sequence[Consumers] = (),
        jobs: Sequence[Job] = (),
        fetch_keys: "Callable[[Runtime], FetchKeys] | None" = None,
    ) -> None:
        self.settings = settings
        self.database = Database.of(settings)
        fetch = fetch_keys(self) if fetch_keys else over_http(settings.keys_url)
        self.keys = KeyRing(fetch, self.database, settings.jwks_refresh_seconds)
        self.revocations = Revocations(self.database, settings.revocations_refresh_seconds)
        self.tokens = TokenVerifier(self.keys, settings.public_issuer, self.revocations)
        self.messaging = Messaging(settings, self.database, consumers)
        self.capacity = Capacity(settings)
        self.jobs = Jobs(jobs if settings.service_role != "api" else ())
        self.database.measure()
        metrics.WAITING.set_function(lambda: self.capacity.waiting)
        metrics.APP.info(_release(settings.service_name))
        self.resources: dict[type, Any] = dict.fromkeys(type(settings).__mro__, settings)
        self.is_draining = False
        self.exporting: Exporting | None = None

    def provide(self, resource: object) -> None:
        """Makes a long-lived object of the service (such as a gateway's client) available by its type."""
        self.resources[type(resource)] = resource

    def resource(self, kind: type[T]) -> T:
        found: T = self.resources[kind]
        return found

    def drain(self) -> None:
        """Starts draining: readiness fails from now on, and requests are still served."""
        self.is_draining = True
        log.info("draining", seconds=self.settings.drain_seconds)

    async def start(self) -> None:
        self.exporting = Exporting.started(self.settings)
        await self.keys.start()
        await self.revocations.start()
        await self.messaging.start()
        self.jobs.start(self)
        log.info("started", role=self.settings.service_role)

    async def stop(self) -> None:
        """Lets work in progress finish, within the settings' `stop_seconds`."""
        await self.jobs.stop(within=self.settings.stop_seconds * 0.1)
        await self.messaging.stop()
        await self.revocations.stop()
        await self.keys.stop()
        await self.database.close()
        if self.exporting is not None:
            await self.exporting.stop()
        log.info("stopped")
