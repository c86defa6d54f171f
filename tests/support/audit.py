"""``make audit``: known vulnerabilities of what the lock names, and a plain word where nobody could be asked."""

import json
import subprocess
import sys
from collections.abc import Sequence

COMMAND = ("-m", "pip_audit", "--disable-pip", "--require-hashes", "-r", "requirements.lock", "--format=json")
VULNERABLE, NOT_AUDITED = 1, 2


def verdict(report: str, complaint: str) -> tuple[int, list[str]]:
    """Exit code and sentences for what pip-audit wrote to its outputs."""
    try:
        found = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = complaint.strip().splitlines()[-1:] or ["no answer"]
        return NOT_AUDITED, [f"Nothing was audited: the list of vulnerabilities cannot be reached ({last[0][:200]})."]
    lines = [f"{each['name']} {each['version']}: {bug['id']}" for each in found for bug in each.get("vulns", ())]
    unknown = [each["name"] for each in found if "skip_reason" in each]
    if unknown:
        lines.append(f"{len(unknown)} of {len(found)} packages were not audited: nobody here knows of them.")
    if len(lines) > bool(unknown):
        return VULNERABLE, lines
    return (NOT_AUDITED, lines) if unknown else (0, [f"{len(found)} packages: no known vulnerability."])


def main(command: Sequence[str] = COMMAND) -> int:
    """Run pip-audit and print the sentences."""
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    code, lines = verdict(done.stdout, done.stderr)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
