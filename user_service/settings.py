"""Settings of the user service."""

from collections.abc import Iterator
from datetime import timedelta

from pydantic import Field, SecretStr

from service_kit.mail import MailSettings
from service_kit.strictness import Fault

LEAST_MEMORY_KIB, LEAST_ROUNDS = 19_456, 2
"""The minimum that OWASP's Password Storage Cheat Sheet recommends for argon2id: memory in KiB, and iterations."""


class Settings(MailSettings, service="user"):
    port: int = 8081
    operations_port: int = 18081

    first_admin_email: str = Field(default="", description="creates this Admin while there is none; empty: doesn't")
    first_admin_password: SecretStr = SecretStr("")
    key_encryption_secret: SecretStr = Field(
        min_length=32, description="encrypts signing keys and second factors at rest; if it is lost, so are they"
    )
    former_key_encryption_secret: SecretStr | None = Field(
        default=None, description="the previous one, until a job has encrypted all with the present one (a day)"
    )
    key_lifetime_days: int = Field(default=90, ge=1, description="how long a key signs before it is rotated")
    access_token_minutes: int = Field(default=10, ge=1, le=60)
    refresh_token_days: int = Field(default=30, ge=1, description="a session ends when it was not used for so long")
    session_days: int = Field(default=180, ge=1, description="a session ends so long after the sign-in")
    mfa_required_for_staff: bool | None = Field(
        default=None, description="staff without a second factor may only set one up; default: true in production"
    )
    fresh_sign_in_minutes: int = Field(
        default=15, ge=1, le=60, description="the greatest age of a sign-in with which an account can be erased"
    )
    api_client_days: int = Field(
        default=365, ge=1, description="how many days ahead the end date of an API client may be"
    )
    guest_days: int = Field(
        default=30, ge=1, description="a guest without an e-mail address is deleted after so many days without use"
    )
    password_grant_clients: str | None = Field(
        default=None,
        description="who may send passwords to /auth/token, comma-separated: names of own frontends, and ids of API "
        "clients, which send their secret too; * for any client. Default: any in development, none in production",
    )
    password_memory_kib: int = Field(default=LEAST_MEMORY_KIB, ge=8, description="for argon2id")
    password_rounds: int = Field(default=LEAST_ROUNDS, ge=1, description="iterations of argon2id")

    smtp_host: str = Field(default="", description="empty: mails wait in the database; required in production")
    mail_from: str = "Online Mart <no-reply@example.com>"
    web_url: str = Field(default="", description="the shop's website, for links in mails; empty: only codes")
    verify_email_hours: int = Field(default=24, ge=1, le=24, description="how long a mailed link or code is valid")
    password_reset_minutes: int = Field(default=60, ge=1, le=60, description="how long a mailed link or code is valid")

    limits: bool | None = Field(default=None, description="enforces these limits per hour; default: in production")
    unknown_device_attempts: int = Field(
        default=60, ge=2, description="wrong passwords for an account from devices and networks unknown to it"
    )
    known_device_attempts: int = Field(
        default=10, ge=2, description="wrong passwords for an account from one device or network that it knows"
    )
    all_known_devices_attempts: int = Field(default=40, ge=2, description="likewise, from all known ones together")
    address_attempts: int = Field(default=100, ge=2, description="wrong passwords from one network, for all accounts")
    mails_to_account: int = Field(default=5, ge=2, description="requested mails to one address")
    requests_of_address: int = Field(
        default=60,
        ge=2,
        description="registrations, guests and requested mails, from one IPv4 address or IPv6 /64 network",
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
