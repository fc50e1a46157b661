"""`make check-compose`: builds the images, starts the shop with Docker, kills a container while an order is placed."""

import asyncio
import json
import subprocess
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from local_stack import environment
from local_stack.cli import progress
from local_stack.environment import ROOT
from local_stack.errors import StackError
from local_stack.parts import SERVICES
from tools.accounts import Account
from tools.api import Api, connections, poll
from tools.demo.orders import SHIP_TO

SBOM = "/opt/venv/sbom.cdx.json"
# Prints the packages that Python finds in the image.
INSTALLED = (
    "import importlib.metadata as m, json;"
    "print(json.dumps({d.name.lower().replace('_', '-'): d.version for d in m.distributions(path=['%s'])}))"
)
PACKAGES = "/opt/venv/lib/python3.11/site-packages"
KILLED = "inventory"
BUILD_SECONDS, START_SECONDS, PAID_SECONDS = 1200, 600, 120


class ComposeError(StackError):
    pass


def check() -> list[str]:
    """What was seen, a sentence for each step. Everything is deleted at the end. Raises: StackError."""
    if _docker("compose", "ps", "--all", "--quiet").strip():
        raise ComposeError("The shop is up, or stopped: this check deletes it. First run `docker compose down -v`.")
    revision = _run("git", "rev-parse", "HEAD").strip()
    progress("Building the images ...")
    _docker("compose", "build", "--build-arg", f"REVISION={revision}", seconds=BUILD_SECONDS)
    images = set(_docker("compose", "config", "--images").split())
    names = sorted(name for name in images if name.startswith("online-mart/"))
    seen = [_image(name, revision) for name in names]
    try:
        progress("Starting the shop ...")
        _docker("compose", "up", "--detach", "--wait", seconds=START_SECONDS)
        seen.append(f"{len(_docker('compose', 'ps', '--quiet').split())} containers run, and are healthy")
        seen.append(asyncio.run(_orders()))
    finally:
        _docker("compose", "down", "--volumes", "--timeout", "5", seconds=START_SECONDS)
    return seen


def _image(name: str, revision: str) -> str:
    """Checks the user, the labels and the bill of materials of an image."""
    config: dict[str, Any] = json.loads(_docker("image", "inspect", "--format", "{{json .Config}}", name))
    if not config["User"].partition(":")[0].isdecimal():
        raise ComposeError(f"{name} runs as {config['User'] or 'root'!r}: Kubernetes needs a number.")
    labels: Mapping[str, str] = config["Labels"] or {}
    if labels.get("org.opencontainers.image.revision") != revision:
        raise ComposeError(f"{name} has no label with the revision {revision}: {dict(labels)}")
    listed = {
        each["name"].lower().replace("_", "-"): each["version"]
        for each in json.loads(_in_image(name, f"print(open('{SBOM}').read())"))["components"]
    }
    installed = json.loads(_in_image(name, INSTALLED % PACKAGES))
    if listed != installed:
        raise ComposeError(f"{name}: its bill of materials differs in {sorted(listed.items() ^ installed.items())}")
    return f"{name} runs as {config['User']}, and lists its {len(listed)} packages"


def _in_image(name: str, code: str) -> str:
    return _docker("run", "--rm", "--network=none", "--entrypoint=python", name, "-c", code)


async def _orders() -> str:
    """Pays one order, then kills a container and pays one that was placed without it."""
    demo = _docker("compose", "ps", "--all", "--quiet", "demo").strip()
    _docker("wait", demo, seconds=START_SECONDS)  # it makes the accounts and the stock
    values = environment.read(environment.EXAMPLE)
    secret = "/secrets/demo_customer_password"
    password = _docker("compose", "run", "--rm", "--no-deps", "--entrypoint=cat", "demo", secret)
    account = Account.of({**values, "DEMO_CUSTOMER_PASSWORD": password}, "User")
    urls = {service.name: f"http://localhost:{values[f'{service.name.upper()}_PORT']}" for service in SERVICES}
    async with connections() as http:
        customer = Api(http, urls, account.email, account.password)
        product = (await customer.get("product", "/products", in_stock=True, limit=1))["items"][0]["id"]
        await _becomes_paid(customer, await _place(customer, product))
        _docker("compose", "kill", "--signal=KILL", KILLED)
        order = await _place(customer, product)
        if order["status"] != "pending":
            raise ComposeError(f"Without the {KILLED} service, the order is {order['status']}.")
        _docker("compose", "up", "--detach", "--wait", seconds=START_SECONDS)
        await _becomes_paid(customer, order)
    return f"an order was paid; one that was placed while {KILLED} was killed was paid when it was back"


async def _place(customer: Api, product: str) -> Any:
    body = {"lines": [{"product_id": product, "quantity": 1}], "ship_to": SHIP_TO, "payment_token": "tok_ok"}
    return await customer.post("order", "/orders", body, key=str(uuid4()))


async def _becomes_paid(customer: Api, order: Mapping[str, Any]) -> None:
    async def read() -> Any:
        return (await customer.get("order", f"/orders/{order['id']}"))["status"]

    status = await poll(read, lambda each: each not in ("pending", "awaiting_payment"), seconds=PAID_SECONDS)
    if status != "paid":
        raise ComposeError(f"Order {order['number']} is {status}, not paid.")


def _docker(*arguments: str, seconds: float = 60) -> str:
    return _run("docker", *arguments, seconds=seconds)


def _run(*command: str, seconds: float = 60) -> str:
    """Raises: ComposeError."""
    shown = f"`{' '.join(command)}`"
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)
    except FileNotFoundError:
        raise ComposeError(
            f"There is no `{command[0]}` on this machine. Docker has to be Engine 26 or newer."
        ) from None
    except subprocess.TimeoutExpired:
        raise ComposeError(f"{shown} took longer than {seconds:.0f} s.") from None
    if done.returncode:
        raise ComposeError(f"{shown} failed: {done.stderr.strip()[-1500:]}")
    return done.stdout
