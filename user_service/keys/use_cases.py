"""Which keys others verify tokens with."""

from typing import Any

from service_kit.runtime import Runtime
from service_kit.security.keys import FetchKeys
from user_service.keys.signer import Signer


def published_keys(runtime: Runtime) -> FetchKeys:
    """This service verifies with the keys it publishes, without asking itself over HTTP."""

    async def fetch() -> dict[str, Any]:
        return await runtime.resource(Signer).public_keys()

    return fetch
