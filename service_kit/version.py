"""The version of Online Mart, read from pyproject.toml, so that it is stated only once."""

import tomllib
from pathlib import Path

VERSION: str = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]["version"]
