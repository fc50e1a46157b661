"""Rate limits of sign-ins, mails and registrations; docs/decisions/0012 explains them."""

from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from uuid import UUID

import structlog
from prometheus_client import Counter

from service_kit.clock import utcnow
from service_kit.database import Database, Session
from service_kit.problems import TooManyRequests
from user_service.accounts.models import Account
from user_service.audit.devices import Devices
from user_service.audit.models import Origin
from user_service.base import hash_of, pruning
from user_service.emails import EmailAddress
from user_service.settings import Settings
from user_service.throttle import queries
from user_service.throttle.models import AttemptBucket, Bucket, KnownAddress, Limit

NOWHERE = "unknown"
NEW_ACCOUNT = timedelta(days=1)
KNOWN_FOR = timedelta(days=90)
REJECTED = Counter("rate_limit_rejections_total", "Requests that were refused because there were too many", ["limit"])
log = structlog.get_logger(__name__)


class Throttle:
    """Applies the limits of the settings to the buckets in the database."""

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
        """Counts an attempt before its password is verified. Returns the buckets. Raises: TooManyRequests.

        Known devices and networks have limits of their own, so that strangers can't lock the owner out. Once those are
        used up, the limits of unknown devices apply. An account that does not exist is counted like any other.
        """
        device = self._devices.find(origin.device, email)
        known_as = [f"device:{device}"] if device and account_id else []
        known_as += [f"address:{account_id}:{network_of(origin.address)}"] if knows_address else []
        for known in known_as:
            try:
                return await self._take(Bucket(self._known, known), Bucket(self._all_known, str(account_id)))
            except TooManyRequests:
                continue
        where = Bucket(self._address, network_of(origin.address))
        return await self._take(where, Bucket(self._unknown_devices, digest(email)))

    async def mail(self, email: EmailAddress, origin: Origin) -> None:
        """Counts a requested mail. Raises: TooManyRequests."""
        await self._take(Bucket(self._requests, network_of(origin.address)), Bucket(self._mails, digest(email)))

    async def request(self, origin: Origin) -> None:
        """Counts a registration. Raises: TooManyRequests."""
        await self._take(Bucket(self._requests, network_of(origin.address)))

    async def strength(self, origin: Origin) -> None:
        """Counts a check of a password's strength. Raises: TooManyRequests."""
        await self._take(Bucket(self._strength, network_of(origin.address)))

    async def is_new_device(self, tx: Session, account: Account, origin: Origin) -> bool:
        """Whether neither the device nor the network is known from earlier sign-ins. The first sign-in of an account on
        the day of its creation is its owner's, so its device does not count as new."""
        if self._devices.find(origin.device, EmailAddress.of(account.email)):
            return False
        known, any_known = await queries.known_address(tx, account.id, network_of(origin.address))
        return not known and (any_known or utcnow() - account.created_at > NEW_ACCOUNT)

    def device_cookie(self, email: EmailAddress, origin: Origin) -> str:
        """The value of the cookie by which the device is recognised next time. A known device keeps its cookie."""
        known = self._devices.find(origin.device, email)
        return str(origin.device) if known else self._devices.make(email)

    async def _take(self, *buckets: Bucket) -> list[Bucket]:
        """Counts an attempt in all of the buckets or in none, and returns those in which it counted. Callers always
        name the buckets in the same order, to avoid deadlocks."""
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


async def remember(tx: Session, account_id: UUID, origin: Origin) -> None:
    """Stores the network as known to the account, after its owner has signed in from there."""
    if (network := network_of(origin.address)) != NOWHERE:
        await queries.remember(tx, account_id, network)


# A bucket whose limit is unused again is the same as no bucket.
prune = pruning((AttemptBucket.full_until, timedelta(0)), (KnownAddress.last_seen_at, KNOWN_FOR))


def network_of(address: str | None) -> str:
    """The IPv4 address, or the /64 network of an IPv6 address, which is what a provider assigns to one customer."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return NOWHERE
    return str(ip_network(f"{found}/64", strict=False)) if isinstance(found, IPv6Address) else str(found)


def digest(email: EmailAddress) -> str:
    """A hash for a bucket's key, so that e-mail addresses of people without an account are not stored."""
    return hash_of(email.key).hex()[:32]
