"""Virtual environments for what we only compare with: their pins are none of the project's business.

They lie below the folder of the results, and are made when first needed, which takes the network.
"""

import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path

from tests.bench.rows import PeerMissingError

_INSTALL_S = 600.0


def interpreter(folder: Path, requirements: Sequence[str]) -> Path:
    """The Python of an environment that has the requirements.

    Raises:
        PeerMissingError: they cannot be installed.
    """
    python = folder / "bin" / "python"
    stamp = folder / ".installed"
    wanted = "\n".join(requirements)
    if python.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    venv.create(folder, with_pip=True, clear=True)
    command: list[str | Path] = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        *requirements,
    ]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL_S)
    except subprocess.CalledProcessError as failed:
        said = (failed.stderr.strip().splitlines() or ["pip failed"])[-1]
        raise PeerMissingError(f"{', '.join(requirements)}: {said}") from failed
    except subprocess.TimeoutExpired as late:
        raise PeerMissingError(f"{', '.join(requirements)}: not installed after {_INSTALL_S:.0f} s") from late
    stamp.write_text(wanted, encoding="utf-8")
    return python
