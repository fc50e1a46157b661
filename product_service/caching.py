"""Which responses caches may keep, and for how long."""

from fastapi import Response

from service_kit.security import Principal


def allow_caching(response: Response, who: Principal | None, seconds: int) -> None:
    """Lets shared caches keep what visitors see for some seconds. What a signed-in caller sees may be more, and is kept
    by nobody."""
    response.headers["Vary"] = "Authorization, Accept-Language"
    response.headers["Cache-Control"] = "no-store" if who else f"public, max-age={seconds}"
