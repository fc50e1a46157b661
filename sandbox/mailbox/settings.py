from pydantic import Field

from sandbox.environment import SandboxSettings


class MailboxSettings(SandboxSettings):
    smtp_host: str = Field(default="127.0.0.1", alias="SANDBOX_SMTP_HOST")
    smtp_port: int = Field(default=1025, alias="SANDBOX_SMTP_PORT")
    host: str = Field(default="127.0.0.1", alias="SANDBOX_MAILBOX_HOST")
    port: int = Field(default=8025, alias="SANDBOX_MAILBOX_PORT")
    max_message_bytes: int = Field(default=10_485_760, gt=0, alias="SANDBOX_MAX_MESSAGE_BYTES")
