"""The carrier's page on which a customer can follow a parcel, made from a template for each carrier."""

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
    """Parses the JSON of the setting. Raises: ValueError."""
    return json.loads(value or "{}") if isinstance(value, str) else value


def tracking_url(templates: Mapping[str, str], carrier: str, tracking_number: str) -> str | None:
    """None if the carrier has no template. The case of its name does not matter."""
    by_carrier = {name.casefold(): template for name, template in templates.items()}
    template = by_carrier.get(carrier.casefold())
    return template.replace(NUMBER, quote(tracking_number, safe="")) if template else None
