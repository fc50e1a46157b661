"""The operations of a service from its OpenAPI document, and a valid request for each."""

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import uuid4

from fastapi import FastAPI

from contracts.permissions import Role, permissions_of
from product_service.tests.media.pictures import picture
from tests.harness import tokens
from tests.harness.service import NEEDED, NOBODY

SERVICES = ("user", "product", "inventory", "order", "notification")
LEAST_OPERATIONS = {"user": 20, "product": 20, "inventory": 28, "order": 32, "notification": 12}
METHODS = ("get", "post", "put", "patch", "delete")
JSON = "application/json"
BINARY = {"type": "string", "format": "binary"}
IMAGE = picture("JPEG")


@dataclass(frozen=True)
class Operation:
    """An operation. `permissions` is None if it is public, and empty if every valid token is enough."""

    method: str
    path: str
    permissions: tuple[str, ...] | None
    takes_token: bool
    document: Mapping[str, Any] = field(repr=False, compare=False)
    spec: Mapping[str, Any] = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def is_guarded(self) -> bool:
        return self.permissions is not None

    @property
    def is_ones_own(self) -> bool:
        """Whether customers have its permissions, so that it must check whose resource they name."""
        return self.permissions is not None and permissions_of([Role.USER]).issuperset(self.permissions)

    @property
    def parameters(self) -> list[str]:
        """The names of its path parameters."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]

    def url(self, ids: Mapping[tuple[str, str], str]) -> str:
        """The URL. `ids` has the ids of existing resources by (path before the parameter, name of the parameter);
        a parameter that it lacks gets a random id."""
        parts = self.path.split("/")
        return "/".join(
            ids.get(("/".join(parts[:at]), part[1:-1]), str(uuid4())) if part.startswith("{") else part
            for at, part in enumerate(parts)
        )

    def takes(self, parameter: str) -> bool:
        return any(each["name"] == parameter and each["in"] == "query" for each in self.spec.get("parameters", ()))

    def request(self, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Arguments for httpx with a valid body, made from the document's examples; `values` replace fields by name."""
        headers = {
            each["name"]: _plain_example(self.resolve(each["schema"]))
            for each in self.spec.get("parameters", ())
            if each["in"] == "header" and each.get("required")
        }
        request: dict[str, Any] = {"headers": {**headers, "Idempotency-Key": str(uuid4())}}
        content = self.spec.get("requestBody", {}).get("content", {})
        if JSON in content:
            request["json"] = self._example(content[JSON]["schema"], values or {})
        elif "text/csv" in content:
            request["headers"]["Content-Type"] = "text/csv"
            request["content"] = b"sku\r\n"
        elif content and BINARY.items() <= next(iter(content.values()))["schema"].items():
            request["headers"]["Content-Type"] = next(iter(content))
            request["content"] = IMAGE
        elif content:
            request["data"] = self._example(next(iter(content.values()))["schema"], values or {})
        return request

    def body_schema(self) -> Mapping[str, Any] | None:
        """The schema of its JSON body, with references resolved."""
        content = self.spec.get("requestBody", {}).get("content", {})
        return self.resolve(content[JSON]["schema"]) if JSON in content else None

    def answer_schema(self) -> Mapping[str, Any] | None:
        """The schema of its successful JSON response."""
        for status, answer in self.spec["responses"].items():
            if status.startswith("2") and JSON in answer.get("content", {}):
                return self.resolve(answer["content"][JSON]["schema"])
        return None

    def resolve(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Follows references; of alternatives it takes the first one that is not null."""
        while True:
            if "$ref" in schema:
                schema = self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            elif choice := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
                schema = next((each for each in choice if each.get("type") != "null"), choice[0])
            else:
                return schema

    def example_of(self, schema: Mapping[str, Any]) -> Any:
        return self._example(schema, {})

    def _example(self, schema: Mapping[str, Any], values: Mapping[str, Any], name: str = "") -> Any:
        schema = self.resolve(schema)
        if name in values:
            return values[name]
        if schema.get("type") == "object" and "properties" in schema:
            shown: Mapping[str, Any] = schema.get("example") or next(iter(schema.get("examples", ())), {})
            wanted = set(shown) | set(schema.get("required", ())) | (schema["properties"].keys() & values.keys())
            return {
                key: shown[key]
                if key in shown and key not in values and not _holds_any(shown[key], values)
                else self._example(schema["properties"][key], values, key)
                for key in sorted(wanted)
            }
        if schema.get("type") == "array":
            return [self._example(schema["items"], values, name)]
        return _plain_example(schema)


def _holds_any(example: Any, values: Mapping[str, Any]) -> bool:
    """Whether the example contains one of these fields at any depth."""
    if isinstance(example, list):
        return any(_holds_any(each, values) for each in example)
    return isinstance(example, dict) and any(key in values or _holds_any(each, values) for key, each in example.items())


def _plain_example(schema: Mapping[str, Any]) -> Any:
    for given in ("example", "const"):
        if given in schema:
            return schema[given]
    for listed in ("examples", "enum"):
        if schema.get(listed):
            return schema[listed][0]
    formats = {
        "uuid": str(uuid4()),
        "date-time": "2030-01-01T00:00:00Z",
        "date": "2030-01-01",
        "email": "x@example.com",
    }
    match schema.get("type"):
        case "integer" | "number":
            least = max(schema.get("minimum", 1), schema.get("exclusiveMinimum", 0) + 1)  # floats in the document
            return int(least) if schema["type"] == "integer" else least
        case "boolean":
            return True
        case "object":
            return {}
        case _:
            return formats.get(schema.get("format", ""), "GBP" if "{3}" in schema.get("pattern", "") else _word(schema))


def _word(schema: Mapping[str, Any]) -> str:
    return "GB" if "{2}" in schema.get("pattern", "") else "a word".ljust(schema.get("minLength", 0), "x")


@cache
def app(service: str) -> FastAPI:
    """The application of a service. Its database and broker cannot be reached."""
    settings = importlib.import_module(f"{service}_service.settings").Settings(
        port=0,
        environment="development",
        service_role="api",
        log_level="ERROR",
        database_url=f"postgresql://nobody:x@{NOBODY}/none",
        kafka_bootstrap_servers=NOBODY,
        public_issuer=tokens.ISSUER,
        **NEEDED.get(service, {}),
    )
    made: FastAPI = importlib.import_module(f"{service}_service.main").create(settings)
    made.state.runtime.keys.fetch = _test_keys
    return made


async def _test_keys() -> dict[str, Any]:
    return tokens.key_set()


def operations(service: str) -> Iterator[Operation]:
    document = app(service).openapi()
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield _operation(method, path, methods[method], document)


def _operation(method: str, path: str, spec: Mapping[str, Any], document: Mapping[str, Any]) -> Operation:
    """OpenAPI accepts a caller who meets one of the requirements; an empty one makes the operation public."""
    requirements = spec.get("security", [])
    is_public = not requirements or {} in requirements
    permissions = None if is_public else tuple(requirements[0]["OAuth2"])
    return Operation(method, path, permissions, bool(requirements), document, spec)
