"""What `/health/ready` takes for the newest revision is what Alembic takes for it."""

import subprocess
import sys

import pytest

from service_kit.database import migrations, revisions

SERVICES = ("user", "product", "inventory", "order", "notification")


@pytest.mark.parametrize("service", [f"{name}_service" for name in SERVICES])
def test_files_are_numbered_as_alembic_applies_them(service: str) -> None:
    numbers = migrations.in_order(service)
    assert numbers == sorted(path.name.partition("_")[0] for path in revisions.directory(service).glob("*.py"))
    assert revisions.head(service) == numbers[-1]


@pytest.mark.parametrize("service", [f"{name}_service" for name in SERVICES])
def test_a_service_is_there_without_what_only_migrations_need(service: str) -> None:
    code = f"import sys, {service}.main, uvicorn; sys.exit(repr({{'alembic', 'mako', 'psycopg2'}} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.stderr.strip() == "set()"
