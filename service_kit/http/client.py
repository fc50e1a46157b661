"""The address that a request comes from, as far as it can be trusted."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from fastapi import Request

from service_kit.settings import Networks

# Parsed addresses are cached: a look-up is faster, and a client sends many requests through the same proxies.
CACHE_SIZE = 4096
MAX_ADDRESS_LENGTH = 64
"""In characters, with room for the name of an interface."""
MAX_CACHED = 256
"""The most characters of the peer's address and `X-Forwarded-For` together whose result is cached."""


def client_address(request: Request) -> str:
    """The IP address of the client, or of the nearest machine before our own proxies.

    `X-Forwarded-For` is read from its end, and only as far as it was written by the proxies that the settings name: a
    client can invent everything before that.
    """
    trusted: Networks = request.app.state.runtime.settings.trusted_proxies
    address = request.client.host if request.client else ""
    forwarded = b",".join([value for name, value in request.scope["headers"] if name == b"x-forwarded-for"])
    return (_cached if len(address) + len(forwarded) <= MAX_CACHED else _last_untrusted)(address, forwarded, trusted)


def _last_untrusted(address: str, forwarded: bytes, trusted: Networks) -> str:
    hops = [hop.strip() for hop in forwarded.decode("latin-1").split(",")] if forwarded else []
    while hops and _is_in(address, trusted):
        address = hops.pop()
    return _plain(address)


_cached = lru_cache(CACHE_SIZE)(_last_untrusted)


def client_network(request: Request) -> str | None:
    """The key by which limits count a client: the IPv4 address, or the /64 network of an IPv6 address, since providers
    give each customer at least that many addresses. None: no address is known."""
    address = client_address(request)
    if address == "unknown":
        return None
    return _network_of(address) if ":" in address else address


@lru_cache(CACHE_SIZE)
def _network_of(address: str) -> str:
    return str(ip_network(f"{address}/64", strict=False))


def _is_in(address: str, networks: Networks) -> bool:
    found = _parsed(address)
    return found is not None and any(found in network for network in networks)


def _plain(address: str) -> str:
    """The canonical spelling of an address; `unknown` for any other text, such as a proxy's own `unknown`."""
    found = _parsed(address)
    if found is None:
        return "unknown"
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text) if len(text) <= MAX_ADDRESS_LENGTH else None
    except ValueError:
        return None
