"""Settings of the user service."""

from collections.abc import Iterator
from datetime import timedelta

from pydantic import Field, SecretStr

from service_kit.mail import MailSettings
from service_kit.strictness import Fault

LEAST_MEMORY_KIB, LEAST_ROUNDS = 19_456, 2
"""The least that OWASP's Password Storage Cheat Sheet recommends for argon2id."""


class Settings(MailSettings, service="user"):
    port: int = 8081
    operations_port: int = 18081

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
    fresh_sign_in_minutes: int = Field(
        default=15, ge=1, le=60, description="how old a sign-in may be with which somebody erases their account"
    )
    api_client_days: int = Field(
        default=365, ge=1, description="how long an API client may last without being extended"
    )
    password_grant_clients: str | None = Field(
        default=None,
        description="who may send passwords to /auth/token: names of own frontends and ids of API clients that show "
        "their secret, comma-separated; * for anyone. Default: anyone in development, nobody in production",
    )
    password_memory_kib: int = Field(default=LEAST_MEMORY_KIB, ge=8, description="argon2id; not less in production")
    password_rounds: int = Field(default=LEAST_ROUNDS, ge=1, description="likewise")

    smtp_host: str = Field(default="", description="empty: mails wait in the database; not in production")
    mail_from: str = "Online Mart <no-reply@example.com>"
    web_url: str = Field(default="", description="the shop's website, where links in mails lead; empty: codes alone")
    verify_email_hours: int = Field(default=24, ge=1, le=24, description="how long a mailed link is good for")
    password_reset_minutes: int = Field(default=60, ge=1, le=60, description="how long a mailed link is good for")

    limits: bool | None = Field(default=None, description="on, off; default: on in production. Of tries in an hour:")
    unknown_device_attempts: int = Field(
        default=60, ge=2, description="wrong passwords for an account, from new places"
    )
    known_device_attempts: int = Field(
        default=10, ge=2, description="from one device or address that signed in to it before"
    )
    all_known_devices_attempts: int = Field(default=40, ge=2, description="from all of these together")
    address_attempts: int = Field(default=100, ge=2, description="wrong passwords from one address, for any account")
    mails_to_account: int = Field(default=5, ge=2, description="mails that can be asked for to one address")
    requests_of_address: int = Field(
        default=60, ge=2, description="registrations, and mails asked for, from one IP address"
    )

    def production_faults(self) -> Iterator[Fault]:
        yield from super().production_faults()
        if not (self.smtp_host and self.web_url):
            yield Fault("SMTP_HOST and WEB_URL", "needed in production, for mails that verify and reset")
        if self.password_memory_kib < LEAST_MEMORY_KIB or self.password_rounds < LEAST_ROUNDS:
            words = f"at least {LEAST_MEMORY_KIB} and {LEAST_ROUNDS} in production: less lets stolen hashes be guessed"
            yield Fault("PASSWORD_MEMORY_KIB and PASSWORD_ROUNDS", words)

    @property
    def access_token_lifetime(self) -> timedelta:
        return timedelta(minutes=self.access_token_minutes)

    @property
    def has_limits(self) -> bool:
        return self.environment == "production" if self.limits is None else self.limits

    @property
    def may_send_passwords(self) -> frozenset[str]:
        """Client ids; `*` stands for any client, also for requests without a client id."""
        if self.password_grant_clients is None:
            return frozenset() if self.environment == "production" else frozenset({"*"})
        return frozenset(filter(None, map(str.strip, self.password_grant_clients.split(","))))

    @property
    def staff_need_mfa(self) -> bool:
        return self.environment == "production" if self.mfa_required_for_staff is None else self.mfa_required_for_staff
