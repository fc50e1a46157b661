"""Settings from the environment, else from `.env`; each may be given as a file instead (`NAME_FILE`)."""

import os
import sys
from pathlib import Path
from typing import Any, Self

from dotenv import dotenv_values
from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict


class SandboxSettings(BaseSettings):
    """What both parts of the sandbox need to know. A field's alias is the name of its environment variable."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    data_dir: Path = Field(default=Path(".local/sandbox"), alias="SANDBOX_DATA_DIR")

    @classmethod
    def read(cls) -> Self:
        """The settings, or an end of the process that names what is wrong with them."""
        try:
            return cls.model_validate({})
        except ValidationError as error:
            sys.exit("\n".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _ValueOrFile(settings_cls)


class _ValueOrFile(PydanticBaseSettingsSource):
    """Looks up NAME, then the file that NAME_FILE points to."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        in_file = dotenv_values(os.environ.get("ENV_FILE", ".env"))
        self._values = {name: value for name, value in {**in_file, **os.environ}.items() if value}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        name = field.alias or field_name.upper()
        value = self._values.get(name)
        if value is None and (path := self._values.get(f"{name}_FILE")):
            value = Path(path).read_text(encoding="utf-8").strip()
        return value, name, False

    def __call__(self) -> dict[str, Any]:
        found = (self.get_field_value(field, name) for name, field in self.settings_cls.model_fields.items())
        return {name: value for value, name, _ in found if value is not None}
