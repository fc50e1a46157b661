from pydantic import Field, SecretStr

from sandbox.environment import SandboxSettings


class GatewaySettings(SandboxSettings):
    host: str = Field(default="127.0.0.1", alias="SANDBOX_GATEWAY_HOST")
    port: int = Field(default=8005, alias="SANDBOX_GATEWAY_PORT")
    api_key: SecretStr = Field(alias="GATEWAY_API_KEY", min_length=1)
    webhook_secret: SecretStr = Field(alias="GATEWAY_WEBHOOK_SECRET", min_length=1)
    # As other gateways do while a secret is rotated: both keys are accepted, and webhooks are signed with both secrets.
    former_api_key: SecretStr | None = Field(default=None, alias="FORMER_GATEWAY_API_KEY")
    former_webhook_secret: SecretStr | None = Field(default=None, alias="FORMER_GATEWAY_WEBHOOK_SECRET")
    webhook_url: str = Field(default="http://localhost:8002/payments/webhooks/sandbox", alias="GATEWAY_WEBHOOK_URL")
    public_url: str | None = Field(default=None, alias="SANDBOX_GATEWAY_PUBLIC_URL")

    # These are in seconds.
    webhook_delay: float = Field(default=0.02, ge=0, alias="SANDBOX_WEBHOOK_DELAY")
    late_delay: float = Field(default=3, ge=0, alias="SANDBOX_LATE_DELAY")
    duplicate_delay: float = Field(default=1, ge=0, alias="SANDBOX_DUPLICATE_DELAY")
    slow_answer: float = Field(default=1, ge=0, alias="SANDBOX_SLOW_ANSWER")
    webhook_timeout: float = Field(default=10, gt=0, alias="SANDBOX_WEBHOOK_TIMEOUT")
    retry_first: float = Field(default=0.1, gt=0, alias="SANDBOX_WEBHOOK_RETRY_FIRST")
    retry_longest: float = Field(default=10, gt=0, alias="SANDBOX_WEBHOOK_RETRY_LONGEST")
    retry_for: float = Field(default=24 * 3600, gt=0, alias="SANDBOX_WEBHOOK_RETRY_FOR")

    webhooks_in_flight: int = Field(default=32, ge=1, alias="SANDBOX_WEBHOOKS_IN_FLIGHT")

    @property
    def api_keys(self) -> list[str]:
        return _present(self.api_key, self.former_api_key)

    @property
    def webhook_secrets(self) -> list[str]:
        return _present(self.webhook_secret, self.former_webhook_secret)

    @property
    def customers_url(self) -> str:
        """The base URL of the gateway for customers' browsers."""
        return (self.public_url or f"http://localhost:{self.port}").rstrip("/")


def _present(*secrets: SecretStr | None) -> list[str]:
    return [secret.get_secret_value() for secret in secrets if secret is not None]
