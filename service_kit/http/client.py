"""The address that a request comes from, as far as it can be trusted."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from fastapi import Request

from service_kit.settings import Networks

# Parsing addresses takes longer than looking up what it gave: a client sends many requests, by the same proxies.
REMEMBERED = 4096
LONGEST = 64
"""Characters of an address at the most, with room for an interface's name."""
LONGEST_WAY = 256
"""Characters of an `X-Forwarded-For` whose outcome is remembered."""


def client_address(request: Request) -> str:
    """The IP address of the client, or of the last machine on the way that is not one of our own proxies.

    `X-Forwarded-For` is read from its end, and only as far as it was written by proxies that the settings name: the
    client can invent everything before that.
    """
    trusted: Networks = request.app.state.runtime.settings.trusted_proxies
    address = request.client.host if request.client else ""
    way = b",".join([value for name, value in request.scope["headers"] if name == b"x-forwarded-for"])
    return (_remembered if len(address) + len(way) <= LONGEST_WAY else _last_untrusted)(address, way, trusted)


def _last_untrusted(address: str, way: bytes, trusted: Networks) -> str:
    hops = [hop.strip() for hop in way.decode("latin-1").split(",")] if way else []
    while hops and _is_in(address, trusted):
        address = hops.pop()
    return _plain(address)


_remembered = lru_cache(REMEMBERED)(_last_untrusted)


def client_network(request: Request) -> str | None:
    """The key by which limits count a client: the IPv4 address, or the /64 network of an IPv6 address, since providers
    give each customer at least that many addresses. None: no address is known."""
    address = client_address(request)
    if address == "unknown":
        return None
    return _network_of(address) if ":" in address else address


@lru_cache(REMEMBERED)
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
        return ip_address(text) if len(text) <= LONGEST else None
    except ValueError:
        return None
