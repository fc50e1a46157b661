"""The settings of the product service."""

from service_kit.settings import ServiceSettings


class Settings(ServiceSettings, service="product"):
    port: int = 8003
    operations_port: int = 18003
    fetch_max_wait_ms: int = 100
