"""`make fuzz`: each decoder for some time under atheris, a coverage-guided fuzzer; what crashes one is kept.

Findings and corpora lie in build/fuzz/DECODER. `python -m tests.fuzz --target NAME FILE` repeats a finding.
"""

import argparse
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=int, default=60, help="for each decoder (default 60)")
    parser.add_argument("--target", help="only this decoder")
    parser.add_argument("finding", nargs="?", type=Path, help="run one input instead")
    chosen = parser.parse_args()
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["drivers"]):  # all else would take minutes
        targets = importlib.import_module("tests.fuzz.decoders").TARGETS
    if chosen.target is None:
        return max(_apart(name, chosen.seconds) for name in targets)
    if chosen.finding is not None:
        targets[chosen.target](chosen.finding.read_bytes())
        return 0
    _fuzz(atheris, targets[chosen.target], Path("build/fuzz") / chosen.target, chosen.seconds)
    return 0


def _apart(name: str, seconds: int) -> int:
    """In a process of its own: the fuzzer ends its process."""
    command = [sys.executable, "-m", "tests.fuzz", "--target", name, "--seconds", str(seconds)]
    return subprocess.run(command).returncode


def _fuzz(atheris: Any, target: Any, folder: Path, seconds: int) -> None:
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    limits = [f"-max_total_time={seconds}", "-max_len=512", f"-artifact_prefix={folder}/"]
    atheris.Setup([sys.argv[0], *limits, str(corpus)], target)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
