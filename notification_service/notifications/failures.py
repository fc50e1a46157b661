"""Explains to customers why a payment failed. Events and APIs contain a code instead."""

UNKNOWN = "the payment could not be completed"
"""For all other codes: outside payment systems have codes of their own."""

_DECLINED = "your bank or card issuer declined it"
_WORDS = {
    "declined": _DECLINED,
    "card_declined": _DECLINED,
    "generic_decline": _DECLINED,
    "do_not_honor": _DECLINED,
    "insufficient_funds": "there was not enough money on the account or card",
    "expired_card": "the card has expired",
    "incorrect_cvc": "the card's security code was not correct",
    "incorrect_number": "the card's number was not correct",
    "authentication_required": "your bank wants you to confirm it",
    "authentication_failed": "it was not confirmed with your bank",
    "voided": "the amount was released before it was taken",
    "processing_error": "the payment provider had a problem",
    "never-charged": "the payment provider could not be reached in time",
}


def why_it_failed(code: str) -> str:
    """Completes the sentence "Your payment failed: …"."""
    return _WORDS.get(code, UNKNOWN)
