"""`make audit` finds planted secrets and vulnerabilities, and never reports "not checked" as passed."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tools import audit
from tools.audit import Outcome, Ran, Result

PACKAGES = {"left-pad", "right-pad"}
FINE = [{"name": name, "version": "1.0", "vulns": []} for name in sorted(PACKAGES)]
FLAW = {"id": "CVE-2026-0001", "fix_versions": ["1.1"]}


def answer(*reported: dict[str, Any], code: int = 0) -> Ran:
    return Ran([], code, json.dumps({"dependencies": list(reported), "fixes": []}), "No known vulnerabilities found")


def test_without_known_vulnerabilities_the_audit_passes() -> None:
    assert audit.judged(answer(*FINE), PACKAGES).outcome is Outcome.PASSED


def test_a_known_vulnerability_is_named() -> None:
    found = audit.judged(answer(FINE[0], {**FINE[1], "vulns": [FLAW]}, code=1), PACKAGES)
    assert found.outcome is Outcome.FOUND
    assert found.findings == ["right-pad 1.0: CVE-2026-0001, fixed in 1.1"]


@pytest.mark.parametrize(
    "ran",
    [
        answer(FINE[0], {"name": "right-pad", "skip_reason": "could not be audited"}),
        answer(FINE[0]),
        answer(),
        Ran([], 1, "", "ConnectionError: no network"),
        Ran([], -1, "", "timed out after 300 seconds"),
        Ran([], 0, "null", ""),
    ],
    ids=["skipped", "one is missing", "nothing", "no network", "too slow", "no answer"],
)
def test_an_unchecked_package_does_not_pass(ran: Ran) -> None:
    found = audit.judged(ran, PACKAGES)
    assert found.outcome is Outcome.NOT_CHECKED
    assert found.sentence


def test_exit_codes_tell_findings_from_missing_checks() -> None:
    passed, found, unchecked = (Result("x", outcome, "") for outcome in Outcome)
    assert audit.exit_code([passed, passed]) == 0
    assert audit.exit_code([passed, found, unchecked]) == 1
    assert audit.exit_code([passed, unchecked]) == 2


# In pieces, so that the scan of this repository does not find them.
PLANTED = {
    "Private Key": "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n",
    "AWS Access Key": "key = " + "AKIA" + "IOSFODNN7EXAMPLA",
    "Stripe Access Key": "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "JSON Web Token": "eyJhbGciOiJSUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTYifQ." + "c2lnbmF0dXJlLXNpZ25hdHVyZQ",
    "Secret Keyword": "GATEWAY_API_" + "KEY=Jq3-NG0Zt_2c" + "Xn1m7yV0hE4bqkT9sLwA",
}


def _tree(directory: Path, text: str) -> Path:
    subprocess.run(["git", "init", "-q", str(directory)], check=True)
    (directory / "production.env").write_text(text)
    return directory


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_secret_is_found_and_not_printed(tmp_path: Path, kind: str) -> None:
    result = audit.secrets(_tree(tmp_path, f"# settings\n{PLANTED[kind]}\n"))
    assert result.outcome is Outcome.FOUND
    assert f"production.env:2: {kind}" in result.findings
    assert PLANTED[kind].partition("=")[2] not in str(result) or "=" not in PLANTED[kind]


@pytest.mark.parametrize(
    "text",
    [
        "password = settings.first_admin_password.get_secret_value()",
        "GATEWAY_API_KEY=",
        'password = "correct horse battery"',
        "api_key=Jq3-NG0Zt_2cXn1m7yV0h  # pragma: allowlist secret",
    ],
)
def test_text_without_a_secret_passes(tmp_path: Path, text: str) -> None:
    assert audit.secrets(_tree(tmp_path, text + "\n")).outcome is Outcome.PASSED


def test_a_failed_scanner_counts_as_not_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "baseline").write_text("{}")
    monkeypatch.setattr(audit, "BASELINE", tmp_path / "baseline")
    assert audit.secrets(_tree(tmp_path, "x = 1\n")).outcome is Outcome.NOT_CHECKED
