"""Settings of the user service."""

from datetime import timedelta

from pydantic import Field, SecretStr

from service_kit.settings import ServiceSettings
from user_service.keys.models import Schedule
from user_service.keys.vault import Vault
from user_service.sessions.models import Lifetimes


class Settings(ServiceSettings, service="user"):
    port: int = 8081

    first_admin_email: str = Field(default="", description="made at the first start; empty: none")
    first_admin_password: SecretStr = SecretStr("")
    key_encryption_secret: SecretStr = Field(
        min_length=32, description="the signing keys are encrypted with it at rest; keep it, or all must sign in again"
    )
    former_key_encryption_secret: SecretStr | None = Field(
        default=None, description="the one before, until everything it encrypted is under the present one"
    )
    key_lifetime_days: int = Field(default=90, ge=1, description="how long a key signs until the next one does")
    access_token_minutes: int = Field(default=10, ge=1, le=60)
    refresh_token_days: int = Field(default=30, ge=1, description="how long one stays signed in without coming back")
    session_days: int = Field(default=180, ge=1, description="how long one stays signed in at most")
    mfa_required_for_staff: bool | None = Field(
        default=None, description="staff without a second factor may only set one up; default: in production"
    )
    password_memory_kib: int = Field(default=19_456, ge=8, description="argon2id; OWASP's least is 19,456")
    password_rounds: int = Field(default=2, ge=1)

    @property
    def access_token_lifetime(self) -> timedelta:
        return timedelta(minutes=self.access_token_minutes)

    @property
    def session_lifetimes(self) -> Lifetimes:
        return Lifetimes(idle=timedelta(days=self.refresh_token_days), longest=timedelta(days=self.session_days))

    @property
    def key_schedule(self) -> Schedule:
        refresh = timedelta(seconds=self.jwks_refresh_seconds)
        return Schedule(refresh, self.access_token_lifetime, timedelta(days=self.key_lifetime_days))

    @property
    def staff_need_mfa(self) -> bool:
        return self.environment == "production" if self.mfa_required_for_staff is None else self.mfa_required_for_staff

    @property
    def vault(self) -> Vault:
        return Vault(self.key_encryption_secret, self.former_key_encryption_secret)
