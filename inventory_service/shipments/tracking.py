"""Where a customer can see how far a parcel is: the carrier's page, by a template for each carrier."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

NUMBER = "{tracking_number}"


def check_template(template: str) -> str:
    """Raises: ValueError."""
    if not template.startswith("https://") or NUMBER not in template:
        raise ValueError(f"a tracking URL begins with https:// and has {NUMBER} where the number goes")
    return template


def read_templates(value: Any) -> Any:
    """JSON, as a setting has it. Raises: ValueError."""
    return json.loads(value or "{}") if isinstance(value, str) else value


def tracking_url(templates: Mapping[str, str], carrier: str, tracking_number: str) -> str | None:
    """None: nobody has said where this carrier shows it. Carriers are told apart without regard to case."""
    by_carrier = {name.casefold(): template for name, template in templates.items()}
    template = by_carrier.get(carrier.casefold())
    return template.replace(NUMBER, quote(tracking_number, safe="")) if template else None
