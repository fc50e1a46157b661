"""Every path with GET also has HEAD, which responds with the same headers and no body."""

import httpx
import pytest

from tests.harness.server import serving
from tests.security.operations import SERVICES
from tests.security.seeded_service import seeded_service

LEAST_READS = {"user": 8, "product": 7, "inventory": 12, "order": 12, "notification": 6}
OF_ONE_ANSWER = {"x-request-id", "date"}


@pytest.mark.parametrize("service", SERVICES)
async def test_head_answers_as_get_does(service: str) -> None:
    async with seeded_service(service) as seeded:
        reads = [each for each in seeded.operations if each.method == "get"]
        assert len(reads) >= LEAST_READS[service]
        for operation in reads:
            client = seeded.as_owner if operation.is_ones_own else seeded.admin
            url = operation.url(seeded.ids)
            read, head = await client.get(url), await client.head(url)
            assert head.status_code == read.status_code, str(operation)
            assert head.content == b"", str(operation)
            assert _headers(head) == _headers(read), str(operation)
            if read.is_success:
                allowed = (await client.request("TRACE", url)).headers["Allow"].split(", ")
                assert {"GET", "HEAD"} <= set(allowed), str(operation)
        for other in {each.path for each in seeded.operations} - {each.path for each in reads}:
            answer = await seeded.admin.head(seeded.operations[0].url(seeded.ids) if other == "" else _plain(other))
            assert (answer.status_code, answer.content) in ((405, b""), (404, b""), (422, b"")), other


async def test_a_response_to_head_has_no_body_and_keeps_the_connection_open(free_port: int) -> None:
    served = serving("product_service", operations_port=free_port)
    async with served as url, httpx.AsyncClient(base_url=url) as client:
        for path in ("/health/live", "/products", "/products/0199c1a0-5b00-7a10-8c00-000000000002", "/docs"):
            read, head = await client.get(path), await client.head(path)
            assert (head.status_code, head.content) == (read.status_code, b"")
            assert head.headers["Content-Length"] == read.headers["Content-Length"]
        metrics = (await client.get(f"http://127.0.0.1:{free_port}/metrics")).text
        assert 'method="HEAD"' in metrics
        assert 'route="/products/{product_id}"' in metrics


def _headers(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in OF_ONE_ANSWER}


def _plain(path: str) -> str:
    return path.replace("{", "").replace("}", "")
