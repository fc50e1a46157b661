"""The router of every service's endpoints."""

from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute


class Router(APIRouter):
    """Names operations for generated clients: `orders_place`, by tag and function."""

    def __init__(self, **options: Any) -> None:
        super().__init__(generate_unique_id_function=_operation_id, **options)


def _operation_id(route: APIRoute) -> str:
    return f"{str(route.tags[0]).replace('-', '_')}_{route.name}" if route.tags else route.name
