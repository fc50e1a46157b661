"""Response headers for a caller that has reached a limit: draft-ietf-httpapi-ratelimit-headers."""


def rate_limit_headers(policy: str, quota: int, seconds: int, window: int | None = None) -> dict[str, str]:
    """Headers for a limit of `quota` in `window` seconds (None: at a time) that admits more after `seconds`."""
    return {
        "RateLimit-Policy": f'"{policy}";q={quota}' + (f";w={window}" if window else ""),
        "RateLimit": f'"{policy}";r=0;t={seconds}',
    }
