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

    first_admin_email: str = Field(default="", description="of the admin created at first start; empty: no admin")
    first_admin_password: SecretStr = SecretStr("")
    key_encryption_secret: SecretStr = Field(
        min_length=32, description="encrypts the stored signing keys; if it is lost, everybody must sign in again"
    )
    former_key_encryption_secret: SecretStr | None = Field(
        default=None, description="the previous secret, until everything is encrypted with the present one"
    )
    key_lifetime_days: int = Field(default=90, ge=1, description="the time after which a new signing key is used")
    access_token_minutes: int = Field(default=10, ge=1, le=60)
    refresh_token_days: int = Field(default=30, ge=1, description="an unused session ends after this time")
    session_days: int = Field(default=180, ge=1, description="every session ends after this time")
    mfa_required_for_staff: bool | None = Field(
        default=None, description="staff without a second factor can only set one up; default: true in production"
    )
    fresh_sign_in_minutes: int = Field(
        default=15, ge=1, le=60, description="the greatest age of the sign-in with which an account is erased"
    )
    api_client_days: int = Field(default=365, ge=1, description="the lifetime of an API client, unless it is extended")
    password_grant_clients: str | None = Field(
        default=None,
        description="clients that may send passwords to /auth/token, comma-separated: names of the shop's frontends, "
        "ids of API clients (with their secret), or * for any. Default: * in development, none in production",
    )
    password_memory_kib: int = Field(default=LEAST_MEMORY_KIB, ge=8, description="argon2id; the minimum in production")
    password_rounds: int = Field(default=LEAST_ROUNDS, ge=1, description="argon2id; the minimum in production")

    smtp_host: str = Field(default="", description="empty: mails stay in the database; production rejects that")
    mail_from: str = "Online Mart <no-reply@example.com>"
    web_url: str = Field(default="", description="the website that mails link to; empty: mails have only a code")
    verify_email_hours: int = Field(default=24, ge=1, le=24, description="the lifetime of a mailed code")
    password_reset_minutes: int = Field(default=60, ge=1, le=60, description="the lifetime of a mailed code")

    limits: bool | None = Field(default=None, description="of attempts per hour: on, off; default: on in production")
    unknown_device_attempts: int = Field(
        default=60, ge=2, description="wrong passwords for an account, from unknown devices and addresses"
    )
    known_device_attempts: int = Field(
        default=10, ge=2, description="wrong passwords for an account, from one known device or address"
    )
    all_known_devices_attempts: int = Field(default=40, ge=2, description="from all known devices and addresses")
    address_attempts: int = Field(default=100, ge=2, description="wrong passwords from one address, for any account")
    mails_to_account: int = Field(default=5, ge=2, description="requested mails to one e-mail address")
    requests_of_address: int = Field(
        default=60, ge=2, description="registrations and requested mails, from one IP address"
    )

    def production_faults(self) -> Iterator[Fault]:
        yield from super().production_faults()
        if not (self.smtp_host and self.web_url):
            yield Fault("SMTP_HOST and WEB_URL", "needed in production, for mails with verification and reset links")
        if self.password_memory_kib < LEAST_MEMORY_KIB or self.password_rounds < LEAST_ROUNDS:
            words = f"at least {LEAST_MEMORY_KIB} and {LEAST_ROUNDS} in production, to protect stolen hashes"
            yield Fault("PASSWORD_MEMORY_KIB and PASSWORD_ROUNDS", words)

    @property
    def access_token_lifetime(self) -> timedelta:
        return timedelta(minutes=self.access_token_minutes)

    @property
    def has_limits(self) -> bool:
        return self.environment == "production" if self.limits is None else self.limits

    @property
    def may_send_passwords(self) -> frozenset[str]:
        """Client ids; `*` stands for any client, and for requests without a client id."""
        if self.password_grant_clients is None:
            return frozenset() if self.environment == "production" else frozenset({"*"})
        return frozenset(filter(None, map(str.strip, self.password_grant_clients.split(","))))

    @property
    def staff_need_mfa(self) -> bool:
        return self.environment == "production" if self.mfa_required_for_staff is None else self.mfa_required_for_staff
