"""Requests until standard input ends. Sent to a pod as text: it imports nothing of ours.

A response other than 200 and a request without a response count by their words.
"""

import asyncio
import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

EMAIL = "admin@example.com"
PASSWORD = "/secrets/user_first_admin_password"
SIGN_IN_EVERY = 240.0
"""Seconds; shorter than an access token lives."""


async def main(setting: dict[str, Any], password: str) -> Counter[str]:
    responses: Counter[str] = Counter()
    headers: dict[str, str] = {}
    # Half of the clients open a connection for each request, and so reach every replica; the others keep theirs.
    async with (
        aiohttp.ClientSession() as keeping,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as opening,
    ):
        signing_in = SignIn(keeping, setting["sign_in"], password, headers)
        await signing_in.once()
        tasks = [asyncio.create_task(signing_in.repeat(responses))]
        for service, url in setting["urls"].items():
            for number in range(setting["at_once"]):
                http = opening if number % 2 else keeping
                tasks.append(asyncio.create_task(repeat(http, service, url, headers, responses, setting["pause"])))
        await asyncio.to_thread(sys.stdin.read)
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for each in ended:
        if isinstance(each, Exception):
            raise each
    return responses


async def repeat(
    http: aiohttp.ClientSession, service: str, url: str, headers: dict[str, str], responses: Counter[str], pause: float
) -> None:
    while True:
        try:
            async with http.get(url, headers=headers, timeout=aiohttp.ClientTimeout(total=30)) as response:
                await response.read()
                responses[f"{service} {response.status}"] += 1
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            responses[f"{service} {error!r}"] += 1
        await asyncio.sleep(pause)


@dataclass(frozen=True)
class SignIn:
    """Keeps the access token in `headers` valid."""

    http: aiohttp.ClientSession
    url: str
    password: str
    headers: dict[str, str]

    async def once(self) -> None:
        form = {"grant_type": "password", "username": EMAIL, "password": self.password}
        async with self.http.post(self.url, data=form) as response:
            response.raise_for_status()
            self.headers["Authorization"] = f"Bearer {(await response.json())['access_token']}"

    async def repeat(self, responses: Counter[str]) -> None:
        while True:
            await asyncio.sleep(SIGN_IN_EVERY)
            try:
                await self.once()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                responses[f"signing in {error!r}"] += 1


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.loads(sys.argv[1]), Path(PASSWORD).read_text()))))
