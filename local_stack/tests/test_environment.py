import re
from pathlib import Path

from local_stack import environment

EXAMPLE = """\
# Heading.

# --- Ports ---

# Where it listens.
A_PORT=8000
B_PORT=8001
# Made up for each machine. (generated)
A_PASSWORD=
B_PASSWORD=
# Where A is.
A_URL=http://localhost:${A_PORT}
# Left alone.
A_OPTIONAL=
"""


def example(tmp_path: Path, text: str = EXAMPLE) -> Path:
    file = tmp_path / ".env.example"
    file.write_text(text)
    return file


def test_secrets_are_random_and_the_file_is_private(tmp_path: Path) -> None:
    first = environment.ensure(tmp_path / "one" / ".env", example=example(tmp_path))
    second = environment.ensure(tmp_path / "two" / ".env", example=example(tmp_path))
    assert len(first["A_PASSWORD"]) >= 32
    assert len({settings[name] for settings in (first, second) for name in ("A_PASSWORD", "B_PASSWORD")}) == 4
    assert (tmp_path / "one" / ".env").stat().st_mode & 0o777 == 0o600
    assert "A_OPTIONAL" not in first


def test_settings_may_refer_to_one_another(tmp_path: Path) -> None:
    settings = environment.ensure(tmp_path / ".env", {"A_PORT": "9"}, example=example(tmp_path))
    assert settings["A_URL"] == "http://localhost:9"


def test_existing_values_stay_and_new_settings_are_added_with_their_comment(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# mine\nA_PORT=1\nA_PASSWORD=chosen\nOWN=2\n")
    settings = environment.ensure(file, {"A_PORT": "7"}, example=example(tmp_path))
    assert (settings["A_PORT"], settings["A_PASSWORD"], settings["OWN"]) == ("1", "chosen", "2")
    assert settings["B_PASSWORD"]
    text = file.read_text()
    assert text.startswith("# mine\n")
    assert "# Where A is.\nA_URL=" in text
    assert re.findall(r"^A_PORT=", text, re.MULTILINE) == ["A_PORT="]


def test_a_complete_file_is_not_changed(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    environment.ensure(file, example=example(tmp_path))
    before = file.read_text()
    environment.ensure(file, example=example(tmp_path))
    assert file.read_text() == before


def test_an_empty_secret_of_a_copied_example_is_filled_and_the_file_made_private(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(EXAMPLE)
    file.chmod(0o644)
    settings = environment.ensure(file, example=example(tmp_path))
    assert settings["A_PASSWORD"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_setting_is_changed_and_all_others_stay(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    before = environment.ensure(file, example=example(tmp_path))
    environment.assign(file, "A_OPTIONAL", "http://localhost:${A_PORT}")
    assert environment.read(file) == {**before, "A_OPTIONAL": "http://localhost:8000"}
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_projects_own_example_holds_no_secret(tmp_path: Path) -> None:
    assert not [name for name in environment.generated() if environment.read(environment.EXAMPLE).get(name)]
    settings = environment.ensure(tmp_path / ".env")
    secrets = {name: settings[name] for name in environment.generated()}
    assert {
        "POSTGRES_PASSWORD",
        "ORDER_DATABASE_PASSWORD",
        "GATEWAY_API_KEY",
        "USER_FIRST_ADMIN_PASSWORD",
    } <= secrets.keys()
    assert len(set(secrets.values())) == len(secrets)


def test_every_setting_occurs_once_in_the_projects_own_example(tmp_path: Path) -> None:
    names = re.findall(r"^([A-Z_]+)=", environment.EXAMPLE.read_text(), re.MULTILINE)
    assert len(names) == len(set(names)) > 40
    assert set(names) == set(re.findall(r"^([A-Z_]+)=", _written(tmp_path), re.MULTILINE))


def test_the_example_environment_refers_only_to_earlier_lines() -> None:
    above: set[str] = set()
    for name, value in re.findall(r"^([A-Z_]+)=(.*)$", environment.EXAMPLE.read_text(), re.MULTILINE):
        assert set(re.findall(r"\$\{(\w+)\}", value)) <= above, name
        above.add(name)


def _written(tmp_path: Path) -> str:
    environment.ensure(tmp_path / ".env")
    return (tmp_path / ".env").read_text()
