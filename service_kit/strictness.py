"""What a service rejects to start with, told all at once rather than one fault at each start."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, LiteralString, NamedTuple, TypeVar, cast
from urllib.parse import urlsplit

from pydantic import BaseModel, ModelWrapValidatorHandler, SecretStr, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError

if TYPE_CHECKING:
    from service_kit.settings import ServiceSettings

S = TypeVar("S", bound="ServiceSettings")

SECRET_LENGTH, SECRET_VARIETY = 16, 8
"""What a secret of our own has at least: characters, and different ones. `make up` generates 32."""
PASSWORD_LENGTH, PASSWORD_VARIETY = 12, 6
"""For the passwords of servers, which somebody else may have chosen."""
# What Kubernetes and Docker put into the environment for each service of theirs, after its name.
_SERVICE_LINK = re.compile(r"(.+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)")
_LINKED_PORT = re.compile(r"(tcp|udp|sctp)://")
# With a service's prefix and of no concern to it: what the local stack makes database URLs of, and a terminal's own.
_OTHERS = frozenset({"DATABASE_PASSWORD", "DATABASE_SERVING_PASSWORD", "ZDOTDIR"})


class Fault(NamedTuple):
    """`setting`: as it is written in `.env`."""

    setting: str
    words: str


def validated(settings: type[S], given: Any, validate: ModelWrapValidatorHandler[S], names: Sequence[Fault]) -> S:
    """Raises: ValidationError, with every fault of fields, names and, where it is production, of values."""
    faults = list(names)
    wrong: list[InitErrorDetails] = []
    made: S | None = None
    try:
        made = validate(given)
    except ValidationError as error:
        wrong = [_again(each) for each in error.errors(include_url=False)]
    in_fields = {str(each["loc"][0]) for each in wrong if each.get("loc")}
    checked = made if made is not None else _what_is_valid(settings, given, in_fields)
    if checked is not None and checked.environment == "production":
        faults += [fault for fault in checked.production_faults() if fault.setting.lower() not in in_fields]
    if made is not None and not faults:
        return made
    details = [_detail(f"{fault.setting}: {fault.words}") for fault in faults]
    raise ValidationError.from_exception_data(settings.__name__, [*wrong, *details], hide_input=True)


def rejected_names(
    values: Mapping[str, str], service: str, fields: Mapping[str, FieldInfo], renamed: Mapping[str, str]
) -> Iterator[Fault]:
    """Of `values`, by name: those that were renamed, and with the service's prefix those that are no setting."""
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
    """Of any service, in production."""
    if settings.failpoints is not None:
        yield Fault("FAILPOINTS", "not when ENVIRONMENT is production; it makes the process kill itself")
    if settings.docs:
        yield Fault("DOCS", "not when ENVIRONMENT is production; /openapi.json is on the operations port")
    for origin in settings.allowed_origins:
        if origin == "*":
            yield Fault("CORS_ORIGINS", "name the origins; '*' is not accepted when ENVIRONMENT is production")
        elif not _is_safe(origin, settings):
            yield Fault("CORS_ORIGINS", f"{origin}: write https://, or others may answer in its name")
    if any(network.prefixlen == 0 for network in settings.trusted_proxy_networks):
        yield Fault("TRUSTED_PROXIES", "all addresses are in it, so anyone may invent theirs: name the proxies")
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name, None)
        if name.endswith(("_url", "_issuer")) and isinstance(value, str) and not _is_safe(value, settings):
            yield Fault(name.upper(), "write https://, or name its host in PLAIN_HTTP_HOSTS if the network is yours")
        if isinstance(value, SecretStr) and name != "database_url":
            yield from weakness(name, value.get_secret_value(), is_optional=not field.is_required())


def weakness(name: str, secret: str, *, is_optional: bool) -> Iterator[Fault]:
    """Of a secret: too short, or too much of the same."""
    if not secret and is_optional:
        return
    is_password = name.endswith("_password")
    length = PASSWORD_LENGTH if is_password else SECRET_LENGTH
    variety = PASSWORD_VARIETY if is_password else SECRET_VARIETY
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
    """Whether what goes there need not be encrypted: it stays on this machine, or in a network that is trusted."""
    listed = [each.strip().lower() for each in settings.plain_http_hosts.split(",") if each.strip()]
    host = host.lower()
    return _is_loopback(host) or any(host == each or (each[0] == "." and host.endswith(each)) for each in listed)


def _is_safe(url: str, settings: "ServiceSettings") -> bool:
    parts = urlsplit(url)
    return parts.scheme != "http" or may_be_plain(parts.hostname or "", settings)


def _is_link(name: str, value: str) -> bool:
    return bool(_SERVICE_LINK.fullmatch(name) or (name.endswith("_PORT") and _LINKED_PORT.match(value)))


def _what_is_valid(settings: type[S], given: Any, wrong: set[str]) -> S | None:
    """The settings without the fields that are wrong, so that the others are looked at in the same start."""
    if not isinstance(given, dict):
        return None
    right: dict[str, Any] = {
        name: (field.annotation, field)
        for name, field in settings.model_fields.items()
        if name not in wrong and (name in given or not field.is_required())
    }
    try:
        found: BaseModel = create_model("Right", **right).model_validate(given)
    except ValidationError:
        return None
    values: dict[str, Any] = {
        name: getattr(found, name) if name in right else _nothing(field) if field.is_required() else field.get_default()
        for name, field in settings.model_fields.items()
    }
    return cast(S, settings.model_construct(None, **values))


def _nothing(field: FieldInfo) -> Any:
    return SecretStr("") if field.annotation is SecretStr else ""


def _again(error: Any) -> InitErrorDetails:
    kind = PydanticCustomError(error["type"], _literal(error["msg"]))
    return InitErrorDetails(type=kind, loc=error["loc"], input=None)


def _detail(words: str) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError("refused", _literal(words)), input=None)


def _literal(words: str) -> LiteralString:
    """Pydantic fills in what stands in braces; here nothing does."""
    return words.replace("{", "{{").replace("}", "}}")
