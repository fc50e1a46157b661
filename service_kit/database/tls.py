"""TLS to PostgreSQL, the same for asyncpg, SQLAlchemy (which uses asyncpg) and psycopg2."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from service_kit.connection_settings import DatabaseSettings, DatabaseTls


@dataclass(frozen=True)
class Tls:
    """`prefer`: TLS if the server offers it, without verification. `verify-full`: only TLS, and the server's
    certificate and name are verified."""

    mode: DatabaseTls = "prefer"
    ca_file: Path | None = None

    @classmethod
    def of(cls, settings: DatabaseSettings) -> "Tls":
        return cls(settings.database_tls, settings.database_ca_file)

    def for_asyncpg(self) -> dict[str, Any]:
        """Keyword arguments of `asyncpg.connect`, which SQLAlchemy passes on."""
        if self.mode == "prefer":
            return {}
        # With a context asyncpg rejects a server that has no TLS; a Unix socket needs none.
        return {"ssl": ssl.create_default_context(cafile=self.ca_file)}

    def for_libpq(self) -> dict[str, str]:
        """Keyword arguments of `psycopg2.connect`."""
        if self.mode == "prefer":
            return {}
        # Not libpq's `system`: the OpenSSL in psycopg2's wheel looks for certificates elsewhere than the system's.
        authorities = self.ca_file or ssl.get_default_verify_paths().cafile
        if authorities is None:
            raise FileNotFoundError("DATABASE_CA_FILE: name it, this system has no file of certificate authorities")
        return {"sslmode": self.mode, "sslrootcert": str(authorities)}

    def in_url(self, url: str) -> str:
        """The URL with the parameters in it, for psql and other tools that take nothing else."""
        return make_url(url).update_query_dict(self.for_libpq()).render_as_string(hide_password=False)
