"""`make audit` finds what was planted, and never takes "not checked" for "fine"."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from local_stack.environment import ROOT
from tools import audit, leaks
from tools.audit import Outcome, Ran, Result

PACKAGES = {"left-pad", "right-pad"}
FINE = [{"name": name, "version": "1.0", "vulns": []} for name in sorted(PACKAGES)]
FLAW = {"id": "CVE-2026-0001", "fix_versions": ["1.1"]}


def answer(*told: dict[str, Any], code: int = 0) -> Ran:
    return Ran(code, json.dumps({"dependencies": list(told), "fixes": []}), "No known vulnerabilities found")


def test_all_checked_and_nothing_known() -> None:
    assert audit.judged(answer(*FINE), PACKAGES).outcome is Outcome.PASSED


def test_a_known_vulnerability_is_named() -> None:
    found = audit.judged(answer(FINE[0], {**FINE[1], "vulns": [FLAW]}, code=1), PACKAGES)
    assert found.outcome is Outcome.FOUND
    assert found.findings == ["right-pad 1.0: CVE-2026-0001, mended in 1.1"]


@pytest.mark.parametrize(
    "ran",
    [
        answer(FINE[0], {"name": "right-pad", "skip_reason": "could not be audited"}),
        answer(FINE[0]),
        answer(),
        Ran(1, "", "ConnectionError: no network"),
        Ran(-1, "", "timed out after 300 seconds"),
        Ran(0, "null", ""),
    ],
    ids=["skipped", "one is missing", "nothing", "no network", "too slow", "no answer"],
)
def test_what_was_not_looked_at_is_not_fine(ran: Ran) -> None:
    found = audit.judged(ran, PACKAGES)
    assert found.outcome is Outcome.NOT_CHECKED
    assert found.sentence


def test_exit_codes() -> None:
    passed, found, unchecked = (Result("x", outcome, "") for outcome in Outcome)
    assert audit.exit_code([passed, passed]) == 0
    assert audit.exit_code([passed, found, unchecked]) == 1
    assert audit.exit_code([passed, unchecked]) == 2


PLANTED = {
    "a private key": "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA" * 4,
    "an AWS access key": "key = " + "AKIA" + "IOSFODNN7EXAMPLE",
    "a GitHub token": "ghp_" + "a1B2" * 9,
    "a Stripe key": "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "a JSON Web Token": "eyJhbGciOiJSUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTYifQ." + "c2lnbmF0dXJlLXNpZ25hdHVyZQ",
    "a secret that was written down": "GATEWAY_API_KEY=" + "q8Zr2LxVt7Bn4Kc9Wd3Hs6Yp",
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_secret_is_found_and_not_repeated(tmp_path: Path, what: str) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "config.py").write_text(f"# settings\n{PLANTED[what]}\n")
    result = audit.secrets(tmp_path)
    assert result.outcome is Outcome.FOUND
    assert result.findings == [f"config.py:2: looks like {what}"]


@pytest.mark.parametrize(
    "text",
    [
        "password = settings.first_admin_password.get_secret_value()",
        'token: str = Field(min_length=1, description="the card, as the gateway gave it")',
        "GATEWAY_API_KEY=",
        "password: correct-horse-battery-staple",
        "api_key=q8Zr2LxVt7Bn4Kc9Wd3Hs6Yp  # not a secret: of a test",
        "digest = 065665c041c42a5938ed220bdcd7230f22527fbec085e1853d2402c8a3615d9d",
    ],
)
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    assert list(leaks.in_text(text, "file")) == []


def test_the_tree_has_none() -> None:
    assert leaks.in_tree(ROOT) == []
