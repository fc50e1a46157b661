"""Checks of settings with which a service must not start. All faults are reported together, not one at each start."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast
from urllib.parse import urlsplit

from pydantic import BaseModel, ModelWrapValidatorHandler, SecretStr, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError

if TYPE_CHECKING:
    from service_kit.settings import ServiceSettings

S = TypeVar("S", bound="ServiceSettings")

LEAST_OF_SECRET = (16, 8)
"""The least number of characters of a secret, and of different characters. `make up` generates secrets with 32."""
LEAST_OF_PASSWORD = (12, 6)
"""The same for passwords of servers, which may have been chosen by others."""
# Variables that Kubernetes and Docker add to the environment, with the names of their services.
_SERVICE_LINK = re.compile(r"(.+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)")
_LINKED_PORT = re.compile(r"(tcp|udp|sctp)://")
# The local stack makes database URLs from these passwords; terminals of editors may set USER_ZDOTDIR.
_OTHERS = frozenset({"DATABASE_PASSWORD", "DATABASE_SERVING_PASSWORD", "ZDOTDIR"})


class Fault(NamedTuple):
    """`setting`: as it is written in `.env`."""

    setting: str
    words: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.words}"


def validated(settings: type[S], given: Any, validate: ModelWrapValidatorHandler[S], names: Iterable[Fault]) -> S:
    """The valid settings. Raises: ValidationError, with all faults: of values, names and what production rejects."""
    faults, wrong, in_fields = list(names), [], set[str]()
    checked: S | None
    try:
        checked = validate(given)
    except ValidationError as error:
        wrong = error.errors(include_url=False)
        in_fields = {str(each["loc"][0]) for each in wrong if each["loc"]}
        checked = _valid_part(settings, given, in_fields)
    if checked is not None and checked.environment == "production":
        faults += [fault for fault in checked.production_faults() if fault.setting.lower() not in in_fields]
    if checked is not None and not wrong and not faults:
        return checked
    details = [
        *(_detail(each["type"], each["msg"], each["loc"]) for each in wrong),
        *(_detail("refused", str(fault)) for fault in faults),
    ]
    raise ValidationError.from_exception_data(settings.__name__, details, hide_input=True)


def rejected_names(
    values: Mapping[str, str], service: str, fields: Mapping[str, FieldInfo], renamed: Mapping[str, str]
) -> Iterator[Fault]:
    """Faults of names in `values`: names of renamed settings, and unknown ones with the service's prefix."""
    prefix = f"{service.upper()}_"
    known = {field.upper() for field in fields}
    for name, value in sorted(values.items()):
        own = name.removeprefix(prefix) if service else name
        plain = own if own in known else own.removesuffix("_FILE")
        if (new := renamed.get(plain)) and plain not in known:
            yield Fault(name, f"is now {new}" if new.isupper() else new)
        elif plain in ("PORT", "OPERATIONS_PORT") and _LINKED_PORT.match(value):
            yield Fault(name, "is a Kubernetes service link, not a port: set `enableServiceLinks: false` in the pod")
        elif own != name and plain not in known and plain not in _OTHERS and not _is_link(own, value):
            close = get_close_matches(plain, sorted(known), n=1)
            yield Fault(name, f"is no setting; {prefix}{close[0]} is" if close else "is no setting")


def faults(settings: "ServiceSettings") -> Iterator[Fault]:
    """The faults in the settings of any service that production rejects."""
    if settings.failpoints is not None:
        yield Fault("FAILPOINTS", "not when ENVIRONMENT is production; it makes the process kill itself")
    if settings.docs:
        yield Fault("DOCS", "not when ENVIRONMENT is production; /openapi.json is on the operations port")
    for origin in settings.cors_origins:
        if origin == "*":
            yield Fault("CORS_ORIGINS", "name the origins; '*' is not accepted when ENVIRONMENT is production")
        elif not _is_safe(origin, settings):
            yield Fault("CORS_ORIGINS", f"{origin}: write https://, or others may answer in its name")
    if any(network.prefixlen == 0 for network in settings.trusted_proxies):
        yield Fault("TRUSTED_PROXIES", "all addresses are in it, so anyone may invent theirs: name the proxies")
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name, None)
        if name.endswith(("_url", "_issuer")) and isinstance(value, str) and not _is_safe(value, settings):
            yield Fault(name.upper(), "write https://, or name its host in PLAIN_HTTP_HOSTS if the network is yours")
        if isinstance(value, SecretStr) and name != "database_url":
            yield from weakness(name, value.get_secret_value(), is_optional=not field.is_required())


def weakness(name: str, secret: str, *, is_optional: bool) -> Iterator[Fault]:
    """Faults of a secret that is too short, or has too few different characters."""
    if not secret and is_optional:
        return
    length, variety = LEAST_OF_PASSWORD if name.endswith("_password") else LEAST_OF_SECRET
    if len(secret) < length or len(Counter(secret)) < variety:
        words = f"at least {length} characters, {variety} of them different; `openssl rand -base64 24` makes one"
        yield Fault(name.upper(), words)


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def may_be_plain(host: str, settings: "ServiceSettings") -> bool:
    """Whether connections to `host` need no encryption: it is this machine, or PLAIN_HTTP_HOSTS names it."""
    listed = [each.lower() for each in settings.plain_http_hosts]
    host = host.lower()
    return _is_loopback(host) or any(host == each or (each[0] == "." and host.endswith(each)) for each in listed)


def _is_safe(url: str, settings: "ServiceSettings") -> bool:
    parts = urlsplit(url)
    return parts.scheme != "http" or may_be_plain(parts.hostname or "", settings)


def _is_link(name: str, value: str) -> bool:
    return bool(_SERVICE_LINK.fullmatch(name) or (name.endswith("_PORT") and _LINKED_PORT.match(value)))


def _valid_part(settings: type[S], given: Any, wrong: set[str]) -> S | None:
    """The settings without the wrong fields, so that the other checks run in the same start. None: not possible."""
    if not isinstance(given, dict):
        return None
    fields = settings.model_fields
    right: dict[str, Any] = {
        name: (fields[name].annotation, fields[name]) for name in (fields.keys() & given.keys()) - wrong
    }
    try:
        found: BaseModel = create_model("Right", **right).model_validate(given)
    except ValidationError:
        return None
    values: dict[str, Any] = {
        name: SecretStr("") if field.annotation is SecretStr else ""
        for name, field in fields.items()
        if field.is_required() and name not in right
    }
    return cast(S, settings.model_construct(None, **values | vars(found)))


def _detail(kind: str, words: str, place: tuple[int | str, ...] = ()) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError(kind, "{words}", {"words": words}), loc=place, input=None)
