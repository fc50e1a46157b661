"""Settings of the inventory service."""

from service_kit.settings import ServiceSettings


class Settings(ServiceSettings, service="inventory"):
    port: int = 8004
    operations_port: int = 18004
