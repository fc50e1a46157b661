"""The base of all events: frozen bodies that know their type, topic and source."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from contracts.topics import Topic

_by_type: "dict[str, type[Event]]" = {}


class Event(BaseModel):
    """Something that happened, or that one service requests of another; the body of one Kafka record.

    A subclass declares itself by class keywords; one without `type` is a base for others, which inherit the rest:

        class OrderPlaced(
            Event, type="mart.order.placed.v1", topic=ORDER_NOTIFICATION, source="/order_service",
            key="order_id", subject="order_id",
        ): ...

    `key` and `subject` name the fields that the record's key and `ce_subject` are taken from. `terminal`: no event
    follows on its key in this topic, and earlier ones are superseded.
    """

    # Validation errors go to logs and dead letters, so they must not contain names and addresses of the body.
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    type: ClassVar[str]
    topic: ClassVar[Topic]
    source: ClassVar[str]
    key_field: ClassVar[str]
    subject_field: ClassVar[str]
    notifies_customer: ClassVar[bool] = False
    terminal: ClassVar[bool] = False

    version: int = Field(description="grows per source and subject")

    def __init_subclass__(
        cls,
        *,
        type: str | None = None,
        topic: Topic | None = None,
        source: str | None = None,
        key: str | None = None,
        subject: str | None = None,
        notifies_customer: bool = False,
        terminal: bool = False,
    ) -> None:
        super().__init_subclass__()
        cls.notifies_customer = notifies_customer
        cls.terminal = terminal
        own = {"type": type, "topic": topic, "source": source, "key_field": key, "subject_field": subject}
        for name, value in own.items():
            if value is not None:
                setattr(cls, name, value)

    @classmethod
    def __pydantic_init_subclass__(cls, **keywords: object) -> None:
        """Registers a class that has a type, once Pydantic knows its fields."""
        if keywords.get("type") is None:
            return
        for name in ("topic", "source", "key_field", "subject_field"):
            if not hasattr(cls, name):
                raise TypeError(f"{cls.__name__} has no {name.removesuffix('_field')}")
        if missing := {cls.key_field, cls.subject_field} - cls.model_fields.keys():
            raise TypeError(f"{cls.__name__} has no field {', '.join(sorted(missing))}")
        if cls.type in _by_type:
            raise TypeError(f"{cls.type} is {_by_type[cls.type].__name__} already")
        _by_type[cls.type] = cls

    @property
    def key(self) -> str:
        """The Kafka key: records of one key stay in order."""
        return str(getattr(self, self.key_field))

    @property
    def subject(self) -> str:
        """The id of the aggregate that the version belongs to."""
        return str(getattr(self, self.subject_field))


def by_type(type: str) -> type[Event] | None:
    """The model of a `ce_type`, or None if this code has none."""
    return _by_type.get(type)


def registered() -> tuple[type[Event], ...]:
    """Every model that has a type, in the order of their definition."""
    return tuple(_by_type.values())
