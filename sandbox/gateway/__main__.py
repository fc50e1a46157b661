import logging
import sys

import uvicorn
from pydantic import ValidationError

from sandbox.gateway.main import HangUpProtocol, create
from sandbox.gateway.settings import GatewaySettings


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        settings = GatewaySettings()
    except ValidationError as error:
        sys.exit("\n".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()))
    uvicorn.run(
        create(settings),
        host=settings.host,
        port=settings.port,
        http=HangUpProtocol,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=10,
    )


main()
