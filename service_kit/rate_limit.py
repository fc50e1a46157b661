"""What a caller is told who has reached a limit: draft-ietf-httpapi-ratelimit-headers."""


def rate_limit_headers(policy: str, quota: int, seconds: int, window: int | None = None) -> dict[str, str]:
    """Of a limit that is used up: `quota` in `window` seconds (None: at any one time), room again after `seconds`."""
    return {
        "RateLimit-Policy": f'"{policy}";q={quota}' + (f";w={window}" if window else ""),
        "RateLimit": f'"{policy}";r=0;t={seconds}',
    }
