"""Settings from the environment or `.env`. `NAME_FILE` names a file that contains the value of the setting `NAME`."""

import os
import sys
from pathlib import Path
from typing import Self

from dotenv import dotenv_values
from pydantic import BaseModel, Field, ValidationError


class SandboxSettings(BaseModel, frozen=True):
    """The settings of gateway and mailbox. A field's alias is the name of its environment variable."""

    data_dir: Path = Field(default=Path(".local/sandbox"), alias="SANDBOX_DATA_DIR")

    @classmethod
    def read(cls) -> Self:
        """Reads the settings. If some are not valid, the process exits with a message for each error."""
        given = {**dotenv_values(os.environ.get("ENV_FILE", ".env")), **os.environ}
        values = {}
        for name in (field.alias or "" for field in cls.model_fields.values()):
            if value := given.get(name):
                values[name] = value
            elif path := given.get(f"{name}_FILE"):
                values[name] = Path(path).read_text(encoding="utf-8").strip()
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            sys.exit("\n".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()))
