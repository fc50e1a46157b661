"""The shop of a drill: a service gets another database server, and recovers what it lacks."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from dotenv import set_key

from local_stack.addresses import serving_role
from local_stack.environment import ROOT
from local_stack.parts import part
from local_stack.postgres import HOST, EmbeddedPostgres
from local_stack.shop import Shop


def use_servers(shop: Shop, name: str, *servers: EmbeddedPostgres) -> None:
    """From its next start on, the service uses its database on whichever of these servers is writable. Roles and
    passwords are the same on all of them."""
    service = part(name)
    prefix, package, settings = service.setting_prefix, service.package, shop.settings
    owner = _url(package, settings[f"{prefix}_DATABASE_PASSWORD"], package, servers)
    serving = _url(serving_role(package), settings[f"{prefix}_DATABASE_SERVING_PASSWORD"], package, servers)
    set_key(shop.layout.env_file, f"{prefix}_DATABASE_OWNER_URL", owner, quote_mode="never")
    set_key(shop.layout.env_file, f"{prefix}_DATABASE_URL", serving, quote_mode="never")
    shop.layout.ensure_environment()


def _url(role: str, password: str, database: str, servers: Sequence[EmbeddedPostgres]) -> str:
    """Both drivers take the list of hosts in this form only."""
    hosts, ports = ",".join([HOST] * len(servers)), ",".join(str(server.port) for server in servers)
    query = f"host={hosts}&port={ports}&target_session_attrs=read-write"
    return f"postgresql://{role}:{quote(password, safe='')}@/{database}?{query}"


async def recover(shop: Shop, name: str, moment: datetime) -> dict[str, Any]:
    """Runs `python -m service_kit restored` as an operator would. Returns its report."""
    service = part(name)
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "service_kit", "restored", service.package, "--moment", moment.isoformat()],
        cwd=ROOT,
        env=shop.layout.process_environment(service),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"restored {service.package}:\n{done.stdout}{done.stderr}"
    report: dict[str, Any] = json.loads(done.stdout)
    return report
