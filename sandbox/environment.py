"""Settings from the environment or from `.env`; each may be given as a file instead (`NAME_FILE`)."""

import os
import sys
from pathlib import Path
from typing import Self

from dotenv import dotenv_values
from pydantic import BaseModel, Field, ValidationError


class SandboxSettings(BaseModel, frozen=True):
    """The settings of both parts of the sandbox. A field's alias is the name of its environment variable."""

    data_dir: Path = Field(default=Path(".local/sandbox"), alias="SANDBOX_DATA_DIR")

    @classmethod
    def read(cls) -> Self:
        """The settings; if they are not valid, the process ends with a message for each error."""
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
