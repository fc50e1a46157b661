"""Spans are exported to a receiver, and a receiver that is broken harms nothing."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from local_stack import ports
from local_stack.environment import ROOT
from local_stack.otlp import otlp_server, spans_in
from service_kit.telemetry import exporting, tracing
from service_kit.telemetry.exporting import Exporting
from service_kit.tests.messaging.shop import OrderSettings, settings
from service_kit.version import VERSION
from tests.harness.service import NOBODY

URL = "postgresql://nobody@127.0.0.1:1/none"


def exporting_to(port: int, **more: Any) -> Exporting:
    endpoint = f"http://127.0.0.1:{port}/"
    started = Exporting.started(settings(OrderSettings, URL, NOBODY, "", otel_exporter_otlp_endpoint=endpoint, **more))
    assert started is not None
    return started


@contextmanager
def receiver() -> Iterator[tuple[int, list[bytes]]]:
    bodies: list[bytes] = []
    [port] = ports.lease()
    with otlp_server(port, bodies.append) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield port, bodies
        server.shutdown()
    ports.release([port])


async def test_a_process_that_stops_exports_its_last_spans() -> None:
    with receiver() as (port, bodies):
        exported = exporting_to(port)
        with tracing.span_of_request(None):
            pass
        await exported.stop()
        [(resource, span)] = [found for body in bodies for found in spans_in(body)]
    assert span.name == "request"
    assert (resource["service.name"], resource["service.version"]) == ("order_service", VERSION)
    assert not tracing.is_recording()


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (1.0, 20)])
async def test_so_many_traces_are_recorded_as_the_setting_demands(share: float, count: int) -> None:
    with receiver() as (port, bodies):
        exported = exporting_to(port, otel_traces_sampler_arg=share)
        for _ in range(20):
            with tracing.span_of_request(None):
                pass
        await exported.stop()
        assert len([found for body in bodies for found in spans_in(body)]) == count


async def test_a_receiver_that_never_answers_does_not_keep_a_process_from_stopping(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exporting, "_STOP_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        exported = exporting_to(silent.getsockname()[1])
        with tracing.span_of_request(None):
            pass
        began = time.monotonic()
        await exported.stop()
        assert time.monotonic() - began < 2


def test_without_a_receiver_the_sdk_is_not_imported() -> None:
    assert Exporting.started(settings(OrderSettings, URL, NOBODY, "")) is None
    code = "import sys, order_service.main, service_kit.__main__; print('opentelemetry.sdk' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
