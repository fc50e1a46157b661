"""A container's health check reports whether the service on its port is ready."""

import http.server
from collections.abc import Iterator
from threading import Thread

import pytest

from service_kit import probe


class _Response(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/health/ready" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), _Response) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize("setting", ["PORT", "ORDER_PORT"])
@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_probe_requests_the_port_of_the_service(
    port: int, setting: str, status: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Response, "status", status)
    monkeypatch.setenv("SERVICE_PACKAGE", "order_service")
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv(setting, str(port))
    assert probe.main() == code


def test_a_service_that_does_not_listen_is_not_ready(monkeypatch: pytest.MonkeyPatch, free_port: int) -> None:
    monkeypatch.setenv("SERVICE_PACKAGE", "order_service")
    monkeypatch.setenv("PORT", str(free_port))
    assert probe.main() == 1
