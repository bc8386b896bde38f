"""Suppressed checks may become fewer, never more: compares their number with .ci/ratchet.txt."""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MARK = re.compile(r"#\s*(noqa|type:\s*ignore|pragma:\s*no cover|pyright:)")


def main() -> int:
    """Exit status: 0 when there are not more suppressions than allowed."""
    names = subprocess.run(  # a fixed command of this repository
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=HERE.parent,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    found = [
        f"{name}:{number}: {line.strip()}"
        for name in names
        if Path(name) != Path(".ci/ratchet.py")
        for number, line in enumerate((HERE.parent / name).read_text(encoding="utf-8").splitlines(), start=1)
        if MARK.search(line)
    ]
    allowed = int((HERE / "ratchet.txt").read_text(encoding="utf-8"))
    if len(found) > allowed:
        sys.stderr.write("\n".join(found) + f"\n{len(found)} suppressed checks; {allowed} are allowed\n")
        return 1
    if len(found) < allowed:
        sys.stderr.write(f"only {len(found)} suppressed checks are left: lower .ci/ratchet.txt to that\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
