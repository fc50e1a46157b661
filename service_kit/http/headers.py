"""The headers that every response has, whichever layer sends it, and the limit on the headers of requests."""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from service_kit.problems import Problem

Headers = list[tuple[bytes, bytes]]

MOST_BYTES = 32 * 1024
"""The most bytes of a request's headers and target together: four times the size of the longest token."""
NO_STORE = (b"cache-control", b"no-store")
POLICY = b"content-security-policy"
RESOURCE_POLICY = b"cross-origin-resource-policy"
NOTHING_ELSE = (POLICY, b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
YEAR = 365 * 24 * 3600
VARY = (b"vary", b"Origin")
EXPOSED = b", ".join([
    b"Allow", b"Content-Disposition", b"ETag", b"Idempotent-Replayed", b"Link", b"Location", b"Preference-Applied",
    b"RateLimit", b"RateLimit-Policy", b"Retry-After", b"WWW-Authenticate", b"X-Request-Id",
])  # fmt: skip
"""The headers that scripts of allowed origins may read, beside the few that browsers always expose."""
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


class HeadersTooLarge(Problem, status=431, type="headers-too-large"):
    """The headers and the address may have at most {limit} bytes together: send less."""


def of_every_answer(public_url: str) -> Headers:
    """Headers of every response, including errors, pages and health checks."""
    headers = [
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"x-frame-options", b"DENY"),
        (RESOURCE_POLICY, b"same-origin"),
    ]
    if public_url.startswith("https://"):
        headers.append((b"strict-transport-security", f"max-age={YEAR}; includeSubDomains".encode()))
    return headers


class ResponseHeaders:
    """The security and CORS headers of one server.

    The middleware and the HTTP protocol both take them from here, so that scripts of an allowed origin can read every
    response, including rejections by a full or draining process and of requests that can't be parsed.
    """

    def __init__(self, public_url: str = "", origins: Sequence[str] = ()) -> None:
        plain = of_every_answer(public_url)
        self._other = [*plain, VARY] if origins else plain
        exposed = (b"access-control-expose-headers", EXPOSED)
        self._allowed: dict[bytes, Headers] = {
            origin.encode(): [*self._other, (b"access-control-allow-origin", origin.encode()), exposed]
            for origin in origins
        }
        self._any = self._allowed.get(b"*")

    def for_origin(self, origin: bytes | None) -> Headers:
        """`origin`: the value of the request's header, if it has one."""
        if origin is None:
            return self._other
        return self._any or self._allowed.get(origin, self._other)


def with_defaults(headers: Headers, always: Headers, *, is_personal: bool) -> Headers:
    """What is added to an endpoint's `headers`: pages may load or frame nothing, and responses to a token are not
    stored, unless the endpoint has set that itself; and what every response has (`always`). Files that pages of other
    origins show have a RESOURCE_POLICY of their own."""
    names = [name for name, _ in headers]
    defaults = [NOTHING_ELSE] if POLICY not in names else []
    if is_personal and NO_STORE[0] not in names:
        defaults.append(NO_STORE)
    if RESOURCE_POLICY in names:
        always = [each for each in always if each[0] != RESOURCE_POLICY]
    return [*defaults, *always]


def page_policy(html: str, token_url: str) -> str:
    """The policy for Swagger UI and ReDoc: allows their own files, this page's script, and signing in."""
    digests = (hashlib.sha256(script.encode()).digest() for script in _INLINE_SCRIPT.findall(html))
    scripts = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    url = urlsplit(token_url)
    return "; ".join([
        "default-src 'none'", f"script-src 'self' {scripts}".rstrip(), "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:", "font-src 'self' data:", "worker-src blob:",
        f"connect-src 'self' {url.scheme}://{url.netloc}", "frame-ancestors 'none'", "base-uri 'none'",
        "form-action 'none'",
    ])  # fmt: skip


def check_size(headers: Iterable[tuple[bytes, bytes]], target: int) -> None:
    """Raises: HeadersTooLarge."""
    if sum(len(name) + len(value) for name, value in headers) + target > MOST_BYTES:
        raise HeadersTooLarge(limit=MOST_BYTES)
