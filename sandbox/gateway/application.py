"""What the gateway's endpoints work with."""

import asyncio
from dataclasses import dataclass
from typing import cast

from fastapi import Request

from sandbox.database import Database
from sandbox.gateway.settings import GatewaySettings
from sandbox.gateway.webhooks import Deliverer


@dataclass(frozen=True)
class Gateway:
    settings: GatewaySettings
    database: Database
    deliverer: Deliverer
    delivering: asyncio.Task[None]


def gateway_of(request: Request) -> Gateway:
    return cast(Gateway, request.app.state.gateway)
