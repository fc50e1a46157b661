"""Who may try how often; docs/decisions/0012 says why."""

import hashlib
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from uuid import UUID

import structlog
from prometheus_client import Counter

from service_kit.clock import utcnow
from service_kit.database import Database, Session
from service_kit.problems import TooManyRequests
from service_kit.runtime import Runtime
from user_service.accounts.models import Account
from user_service.audit.devices import Devices
from user_service.audit.models import Origin
from user_service.emails import EmailAddress
from user_service.settings import Settings
from user_service.throttle import queries
from user_service.throttle.models import Bucket, Limit

NOWHERE = "unknown"
NEW_ACCOUNT = timedelta(days=1)
KNOWN_FOR = timedelta(days=90)
REJECTED = Counter("rate_limit_rejections_total", "Requests that were refused because there were too many", ["limit"])
log = structlog.get_logger(__name__)


class Throttle:
    """The limits of the settings, over the buckets in the database."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._on = settings.has_limits
        self._devices = Devices(settings.key_encryption_secret)
        self._unknown_devices = Limit("sign-in", settings.unknown_device_attempts)
        self._address = Limit("sign-in-address", settings.address_attempts)
        self._known = Limit("sign-in-known", settings.known_device_attempts)
        self._all_known = Limit("sign-in-all-known", settings.all_known_devices_attempts)
        self._mails = Limit("mails", settings.mails_to_account)
        self._requests = Limit("requests", settings.requests_of_address)
        self._strength = Limit("password-strength", 10 * settings.requests_of_address)

    async def sign_in(
        self, email: EmailAddress, account_id: UUID | None, origin: Origin, *, knows_address: bool
    ) -> list[Bucket]:
        """Counts a try before its password is looked at; what it was counted in. Raises: TooManyRequests.

        Known devices and addresses have tries of their own, so that strangers can't lock the owner out; who has used
        those up may still try as a stranger. An account that isn't there is counted like any other.
        """
        for known in self._known_as(email, account_id, origin, knows_address):
            try:
                return await self._take(Bucket(self._known, known), Bucket(self._all_known, str(account_id)))
            except TooManyRequests:
                continue
        where = Bucket(self._address, network_of(origin.address))
        return await self._take(where, Bucket(self._unknown_devices, digest(email)))

    async def mail(self, email: EmailAddress, origin: Origin) -> None:
        """Counts a mail that was asked for. Raises: TooManyRequests."""
        await self._take(Bucket(self._requests, network_of(origin.address)), Bucket(self._mails, digest(email)))

    async def request(self, origin: Origin) -> None:
        """Counts a request that anyone may make. Raises: TooManyRequests."""
        await self._take(Bucket(self._requests, network_of(origin.address)))

    async def strength(self, origin: Origin) -> None:
        """Counts a look at a password's strength. Raises: TooManyRequests."""
        await self._take(Bucket(self._strength, network_of(origin.address)))

    async def is_new_device(self, tx: Session, account: Account, origin: Origin) -> bool:
        """Whether neither the device nor the place has signed in to the account before. The first sign-in of an account
        that was just made is its owner's, and tells nobody anything."""
        if self._devices.find(origin.device, EmailAddress.of(account.email)):
            return False
        known, any_known = await queries.known_address(tx, account.id, network_of(origin.address))
        return not known and (any_known or utcnow() - account.created_at > NEW_ACCOUNT)

    def device_cookie(self, email: EmailAddress, origin: Origin) -> str:
        """What the device shows next time; a device that is known keeps its own."""
        known = self._devices.find(origin.device, email)
        return str(origin.device) if known else self._devices.make(email)

    def _known_as(self, email: EmailAddress, account_id: UUID | None, origin: Origin, knows_address: bool) -> list[str]:
        device = self._devices.find(origin.device, email)
        return [
            *([f"device:{device}"] if device and account_id else []),
            *([f"address:{account_id}:{network_of(origin.address)}"] if knows_address else []),
        ]

    async def _take(self, *buckets: Bucket) -> list[Bucket]:
        """Counts a try in all of the buckets or in none; returns those in which it counted. The order of the buckets is
        always the same, so that no two transactions wait for each other."""
        if not self._on:
            return []
        try:
            async with self._database.transaction() as tx:
                for bucket in buckets:
                    await queries.take(tx, bucket)
        except TooManyRequests as rejection:
            REJECTED.labels(bucket.limit.name).inc()
            log.warning("too_many_attempts", limit=bucket.limit.name, seconds=rejection.members["seconds"])
            raise
        return list(buckets)


async def return_attempts(tx: Session, counted_in: list[Bucket]) -> None:
    """The password was right: the try doesn't count."""
    for bucket in counted_in:
        await queries.return_attempts(tx, bucket)


async def remember(tx: Session, account_id: UUID, origin: Origin) -> None:
    """Who comes from here has proven to be the owner: the address is known from now on."""
    if (network := network_of(origin.address)) != NOWHERE:
        await queries.remember(tx, account_id, network)


async def prune(runtime: Runtime) -> None:
    """Full buckets say nothing; addresses that were not seen for long are strange again."""
    now = utcnow()
    async with runtime.database.session() as tx:
        await queries.delete_full(tx, now)
        await queries.delete_unseen(tx, now - KNOWN_FOR)


def network_of(address: str | None) -> str:
    """An IPv6 address stands for its /64, which is what one customer of a provider has."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return NOWHERE
    return str(ip_network(f"{found}/64", strict=False)) if isinstance(found, IPv6Address) else str(found)


def digest(email: EmailAddress) -> str:
    """E-mail addresses, which may belong to nobody, don't stand in the buckets' keys."""
    return hashlib.sha256(email.key.encode(errors="replace")).hexdigest()[:32]
