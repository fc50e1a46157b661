"""Extreme and malformed values cause no server errors, and no responses that the OpenAPI document does not declare."""

import random
import time

import httpx
import pytest

from tests.api.conftest import Examined, Open
from tests.api.odd import Request, requests
from tests.harness import tokens

SERVICES = ("product", "inventory", "order", "notification", "user")
PROBLEM = "application/problem+json"
FEW = 400


def send_all(it: Examined, few: int | None) -> str:
    """Sends the requests, or a fixed sample of `few` of them. Returns the violations."""
    bearer = tokens.token(role="Admin", user_id=it.user_id, exp=int(time.time()) + 3600)
    wrong = []
    with httpx.Client(base_url=it.url, headers={"Authorization": f"Bearer {bearer}"}, timeout=30) as client:
        document = client.get("/openapi.json").json()
        ids = {name.rpartition(".")[2]: ids[0] for name, ids in it.known.items()}
        chosen = list(requests(document, ids))
        assert len(chosen) > FEW
        for request in random.Random(1).sample(chosen, few) if few else chosen:
            headers = {name.encode(): value.encode("latin-1") for name, value in request.headers.items()}
            answer = client.request(
                request.method, request.path, params=request.query or None, headers=headers, content=request.body
            )
            if violation := _violation(request, answer, document):
                wrong.append(f"{request.operation} with {request.odd}: {violation}")
    return "\n".join(wrong)


def _violation(request: Request, answer: httpx.Response, document: dict[str, object]) -> str | None:
    if answer.status_code in (404, 405) and answer.json()["type"].endswith(("no-such-path", "method-not-allowed")):
        return None  # with this value the path is another one
    method, template = request.operation.split(" ")
    documented = document["paths"][template][method.lower()]["responses"]  # type: ignore[index]
    if answer.status_code >= 500 or str(answer.status_code) not in documented:
        return f"{answer.status_code} {answer.text[:300]}"
    if answer.status_code >= 400 and answer.headers["Content-Type"] != PROBLEM:
        return f"{answer.headers['Content-Type']} {answer.text[:300]}"
    return None


@pytest.mark.parametrize("service", SERVICES)
def test_odd_values_are_answered(examined: Open, service: str) -> None:
    with examined(service) as it:
        assert send_all(it, few=FEW) == ""


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("service", SERVICES)
def test_all_odd_values_are_answered(examined: Open, service: str) -> None:
    with examined(service) as it:
        assert send_all(it, few=None) == ""
