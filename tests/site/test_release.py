"""What a release is made of: a lock with hashes, a bill of materials, an audit that says what it could not look at."""

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.support import audit

ROOT = Path(__file__).resolve().parent.parent.parent
LOCK = ROOT / "requirements.lock"


def names_of(text: str) -> set[str]:
    """The packages of a requirements file, as the index writes them."""
    found = re.findall(r"^([A-Za-z0-9][A-Za-z0-9._-]*?)(?:\[[^\]]*\])?\s*[=<>~;]", text, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower() for name in found}


def test_lock_names_each_requirement_with_hashes_and_no_place_to_get_it_from() -> None:
    text = LOCK.read_text()
    assert names_of((ROOT / "requirements.txt").read_text()) <= names_of(text), "run: make lock"
    entries = re.split(r"\n(?=\S)", text.strip())
    assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)
    assert "://" not in text and "index" not in text and "trusted-host" not in text


def test_bill_of_materials_lists_what_the_lock_names(tmp_path: Path) -> None:
    bill = tmp_path / "sbom.json"
    command = ["-m", "cyclonedx_py", "requirements", "requirements.lock", "--pyproject", "pyproject.toml"]
    subprocess.run(
        [sys.executable, *command, "--output-reproducible", "--of", "JSON", "-o", str(bill)],
        cwd=ROOT,
        check=True,
        timeout=120,
        capture_output=True,
    )
    found = json.loads(bill.read_text())
    assert found["bomFormat"] == "CycloneDX" and found["metadata"]["component"]["name"] == "dpmp"
    listed = {re.sub(r"[-_.]+", "-", each["name"]).lower() for each in found["components"]}
    assert listed == names_of(LOCK.read_text())
    assert all(each["version"] for each in found["components"])
    assert " ".join(command[1:]) in (ROOT / "Makefile").read_text(), "make sbom does the same"


def report(**more: object) -> str:
    return json.dumps({"dependencies": [{"name": "django", "version": "5.2", "vulns": []}, {"name": "x", **more}]})


def test_audit_without_a_finding_says_so() -> None:
    code, lines = audit.verdict(report(version="1", vulns=[]), "")
    assert (code, lines) == (0, ["2 packages: no known vulnerability."])


def test_audit_names_what_it_found() -> None:
    code, lines = audit.verdict(report(version="1", vulns=[{"id": "PYSEC-1"}]), "")
    assert (code, lines) == (audit.VULNERABLE, ["x 1: PYSEC-1"])


def test_audit_that_could_ask_nobody_is_no_pass() -> None:
    assert audit.verdict(report(skip_reason="not found"), "") == (
        audit.NOT_AUDITED,
        ["1 of 2 packages were not audited: nobody here knows of them."],
    )
    code, (line,) = audit.verdict("", "Traceback\nConnectionError: no route\n")
    assert code == audit.NOT_AUDITED and "Nothing was audited" in line and "no route" in line
    assert audit.main(["-c", "raise SystemExit(1)"]) == audit.NOT_AUDITED
