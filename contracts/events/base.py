"""The base class of all events, which have an immutable body, a type, a topic and a source."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from contracts.topics import Topic

_by_type: "dict[str, type[Event]]" = {}


class Event(BaseModel):
    """Something that happened, or that one service requests of another; the body of one Kafka record.

    Subclasses declare these by class keywords. A class without `type` is a base class, whose keywords others inherit:

        class OrderPlaced(
            Event, type="mart.order.placed.v1", topic=ORDER_NOTIFICATION, source="/order_service",
            key="order_id", subject="order_id",
        ): ...

    `key` and `subject` name the fields that contain the record's key and `ce_subject`. `terminal`: no event with this
    key follows in the topic, and earlier ones are superseded.
    """

    # Validation errors are logged and stored in dead letters, so they must not contain personal data from the body.
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
        """Registers a class that has a `type`. Pydantic calls this when the class has its fields."""
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
        """The record's key: Kafka keeps records with the same key in order."""
        return str(getattr(self, self.key_field))

    @property
    def subject(self) -> str:
        """The id of the aggregate that the version belongs to."""
        return str(getattr(self, self.subject_field))


def by_type(type: str) -> type[Event] | None:
    """The class for a `ce_type`; None if this version of the code has none."""
    return _by_type.get(type)


def registered() -> tuple[type[Event], ...]:
    """Every class that has a type, in the order of definition."""
    return tuple(_by_type.values())
