"""The order service's settings."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import BaseModel, Field, SecretStr, model_validator

from service_kit.iso_codes import Country
from service_kit.settings import CommaSeparated, Period, ServiceSettings


class InvoiceSettings(BaseModel):
    """Invoices are issued only if all settings of the seller are given."""

    seller_name: str = Field(default="", description="printed on invoices; empty: no invoices are issued")
    seller_address: CommaSeparated = Field(default=(), description="its lines, comma-separated")
    seller_tax_id: str = Field(default="", description="such as the VAT number")
    invoice_at: Literal["paid", "dispatched"] = Field(
        default="paid", description="when an order is invoiced: once it is paid, or once its first parcel has left"
    )
    invoice_prefix: str = Field(default="INV", pattern=r"^[A-Z]{1,10}$", description="of numbers like INV-2026-000001")
    credit_note_prefix: str = Field(default="CN", pattern=r"^[A-Z]{1,10}$")
    invoice_retention: Period = Field(
        default=timedelta(days=3650), description="from the end of the year of issue; then names and addresses go"
    )
    invoice_link_secret: SecretStr | None = Field(default=None, description="signs the links in mails about invoices")
    invoice_link_valid: Period = Field(default=timedelta(days=30), description="how long such a link can be used")
    public_url: str = Field(default="", description="where customers reach this service, for links in mails")

    @property
    def issues_invoices(self) -> bool:
        return bool(self.seller_name)

    @model_validator(mode="after")
    def _invoices_are_complete(self) -> Self:
        seller = {"SELLER_NAME": self.seller_name, "SELLER_ADDRESS": self.seller_address}
        seller["SELLER_TAX_ID"] = self.seller_tax_id
        link = {"INVOICE_LINK_SECRET": self.invoice_link_secret, "PUBLIC_URL": self.public_url}
        missing = [name for name, value in {**seller, **link}.items() if not value]
        if any(seller.values()) and missing:
            raise ValueError(f"{', '.join(missing)}: needed too, since invoices are issued if the seller is named")
        if self.invoice_prefix == self.credit_note_prefix:
            raise ValueError("INVOICE_PREFIX, CREDIT_NOTE_PREFIX: must differ, since each is a series of its own")
        return self


class Settings(InvoiceSettings, ServiceSettings, service="order"):
    """A field is read from ORDER_<NAME>, else from <NAME>. Durations are written as ISO 8601 (`PT24H`)."""

    port: int = 8002
    operations_port: int = 18002

    default_currency: str = Field(
        default="GBP",
        pattern=r"^[A-Z]{3}$",
        description="used if the lines have prices in several currencies and the request names none",
    )
    home_country: Country | None = Field(
        default=None, description="the country that the shop sells from: its taxes are in prices that include tax"
    )
    pay_within: timedelta = Field(default=timedelta(hours=24), gt=timedelta(0), description="time limit for payment")
    transfer_within: timedelta = Field(
        default=timedelta(days=7), gt=timedelta(0), description="time limit for payment by bank transfer"
    )
    reserved_beyond: timedelta = Field(
        default=timedelta(minutes=30), gt=timedelta(0), description="from the payment limit to the reservation's end"
    )
    return_window: timedelta = Field(
        default=timedelta(days=30), gt=timedelta(0), description="the time for returns after the delivery"
    )
    draft_expires_within: timedelta = Field(
        default=timedelta(days=14), gt=timedelta(0), description="the time until a draft is dropped that nobody places"
    )
    stuck_after: timedelta = Field(
        default=timedelta(minutes=15), gt=timedelta(0), description="a longer wait for another service is reported"
    )

    # Limits on unpaid orders and guesses; 0 turns a limit off. Callers with `orders:write:any` are exempt.
    limits: bool = Field(default=True, description="turns all of the following limits on, or off for load tests")
    unpaid_orders: int = Field(default=20, ge=0, description="unpaid orders of one account at a time")
    unpaid_orders_unconfirmed: int = Field(
        default=3, ge=0, description="the same for an account without a confirmed e-mail address"
    )
    pay_within_unconfirmed: timedelta = Field(
        default=timedelta(minutes=30), gt=timedelta(0), description="time limit for payment for such an account"
    )
    unpaid_orders_per_address: int = Field(
        default=60, ge=0, description="from one client address, which many people in an office may share"
    )
    unpaid_pieces: int = Field(
        default=10, ge=0, description="unpaid pieces of one product that an account or address may hold in any case"
    )
    unpaid_stock_share: float = Field(default=0.1, ge=0, le=1, description="this share of its stock instead, if more")
    unknown_codes: int = Field(
        default=10, ge=0, description="unknown codes of promotions in 15 minutes, of one account or client address"
    )
    failed_payments_per_order: int = Field(default=5, ge=0)
    failed_payments_per_hour: int = Field(default=20, ge=0, description="of one account, including pending payments")
    failed_payments_per_hour_and_address: int = Field(default=60, ge=0, description="from one client address")
    invalid_payment_links_per_address: int = Field(
        default=60, ge=0, description="requests per hour with an invalid payment link, from one client address"
    )

    gateway_url: str = "http://localhost:8005"
    gateway_api_key: SecretStr = Field(min_length=1)
    gateway_webhook_secret: SecretStr = Field(min_length=1)
    former_gateway_webhook_secret: SecretStr | None = Field(
        default=None, description="is accepted too, until the gateway signs with the present one"
    )
    gateway_timeout_seconds: float = Field(default=10, gt=0)

    tax_id_registry: Literal["none", "vies"] = Field(
        default="none", description="who is asked whether tax ids are valid; none: every one stays unchecked"
    )
    vies_url: str = "https://ec.europa.eu/taxation_customs/vies/rest-api"
    vies_requester: str | None = Field(
        default=None,
        pattern=r"^[A-Z]{2}[0-9A-Z+*]{2,12}$",
        description="the shop's own VAT number; with it, VIES returns a reference as proof of a check",
    )
    vies_timeout_seconds: float = Field(default=10, gt=0, le=60)
