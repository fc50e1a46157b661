"""`python -m service_kit.probe`: a container's health check without curl."""

import http.client
import os
import sys


def main() -> int:
    """Returns 0 if the service that runs in this container is ready. The image sets SERVICE_PACKAGE and PORT."""
    name = os.environ["SERVICE_PACKAGE"].removesuffix("_service")
    port = os.environ.get(f"{name.upper()}_PORT") or os.environ["PORT"]
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=2)
    try:
        connection.request("GET", "/health/ready")
        return 0 if connection.getresponse().status == http.HTTPStatus.OK else 1
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
