"""An S3 server (moto) in a process of its own, and buckets on it."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from product_service.media.storage import Bucket
from product_service.settings import Settings
from tests.harness import tokens


def bucket(endpoint: str) -> Bucket:
    fields: dict[str, Any] = s3_settings(endpoint)
    return Bucket(
        Settings(
            environment="development", database_url="postgresql://nobody@127.0.0.1:1/none",
            public_issuer=tokens.ISSUER, kafka_bootstrap_servers="127.0.0.1:1", **fields,
        )
    )  # fmt: skip


def s3_settings(endpoint: str) -> dict[str, str]:
    return {
        "media_s3_bucket": "shop-images",
        "media_s3_endpoint_url": endpoint,
        "media_s3_access_key": "test-access-key",
        "media_s3_secret_key": "test-secret-key",
    }


@contextmanager
def s3_server() -> Iterator[str]:
    """Its address; it has the bucket of `s3_settings`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url)
        authorization = "AWS4-HMAC-SHA256 Credential=test-access-key/20260101/us-east-1/s3/aws4_request"
        httpx.put(f"{url}/shop-images", headers={"Authorization": authorization}).raise_for_status()
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _wait(url: str) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            httpx.get(f"{url}/moto-api/", timeout=1)
        except httpx.TransportError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return
