"""Settings of the user service."""

from datetime import timedelta

from pydantic import Field, SecretStr

from service_kit.settings import ServiceSettings


class Settings(ServiceSettings, service="user"):
    port: int = 8081

    first_admin_email: str = Field(default="", description="made at the first start; empty: none")
    first_admin_password: SecretStr = SecretStr("")
    key_encryption_secret: SecretStr = Field(
        min_length=32, description="the signing keys are encrypted with it at rest; keep it, or all must sign in again"
    )
    access_token_minutes: int = Field(default=10, ge=1, le=60)
    refresh_token_days: int = Field(default=30, ge=1)
    password_memory_kib: int = Field(default=19_456, ge=8, description="argon2id; OWASP's least is 19,456")
    password_rounds: int = Field(default=2, ge=1)

    @property
    def access_token_lifetime(self) -> timedelta:
        return timedelta(minutes=self.access_token_minutes)

    @property
    def refresh_token_lifetime(self) -> timedelta:
        return timedelta(days=self.refresh_token_days)
