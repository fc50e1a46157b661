"""The processes that make up the shop on one machine."""

from dataclasses import dataclass
from typing import Literal

from local_stack.errors import StackError

Kind = Literal["server", "sandbox", "traces", "service", "console"]


@dataclass(frozen=True)
class Part:
    """A process. `ports`: the settings with its ports, the public one first."""

    name: str
    kind: Kind
    title: str
    ports: tuple[str, ...]
    module: tuple[str, ...] = ()
    ready_path: str = "/health/ready"

    @property
    def package(self) -> str:
        """The service's package, database, role and consumer group: `order_service`."""
        return f"{self.name}_service"

    @property
    def setting_prefix(self) -> str:
        return self.name.upper()


def _service(name: str) -> Part:
    return Part(
        name,
        "service",
        f"{name.capitalize()} service",
        (f"{name.upper()}_PORT", f"{name.upper()}_OPERATIONS_PORT"),
        ("service_kit", "serve", f"{name}_service"),
    )


POSTGRES = Part("postgres", "server", "PostgreSQL", ("POSTGRES_PORT",))
KAFKA = Part("kafka", "server", "Kafka", ("KAFKA_PORT", "KAFKA_CONTROLLER_PORT"))
GATEWAY = Part("gateway", "sandbox", "Payment gateway", ("SANDBOX_GATEWAY_PORT",), ("sandbox.gateway",))
MAILBOX = Part("mailbox", "sandbox", "Mailbox", ("SANDBOX_MAILBOX_PORT", "SANDBOX_SMTP_PORT"), ("sandbox.mailbox",))
ZIPKIN = Part("zipkin", "traces", "Zipkin", ("ZIPKIN_PORT",), ("local_stack.zipkin",), "/health")
SPAN_RECEIVER = Part("spans", "traces", "Span receiver", ("SPAN_RECEIVER_PORT",), ("local_stack.span_receiver",))
SERVICES = tuple(_service(name) for name in ("user", "product", "inventory", "order", "notification"))
# By its name only: tools may import this package, and this package imports no tools.
CONSOLE = Part("console", "console", "Console", ("CONSOLE_PORT",), ("tools.console",))
PARTS = (POSTGRES, KAFKA, GATEWAY, MAILBOX, ZIPKIN, SPAN_RECEIVER, *SERVICES, CONSOLE)


def part(name: str) -> Part:
    """The part with this short name or package name (`order`, `order_service`). Raises: StackError."""
    for candidate in PARTS:
        if name in (candidate.name, candidate.package):
            return candidate
    raise StackError(f"There is no '{name}': it is one of {', '.join(known.name for known in PARTS)}.")
