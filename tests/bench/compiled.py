"""The product with its allocation compiled, as a wheel has it: built in a copy, kept by what it was built from."""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PARTS = (
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
    "README.md",
    "LICENSE",
    "controller",
    "drivers",
    "sim",
    "firmware-profiles",
)
_WITHIN_S = 300.0


class NotCompiledError(Exception):
    """It cannot be built here; the text says why."""


def missing() -> str | None:
    """What this machine lacks to compile."""
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    if shutil.which(compiler.split()[0]) is None:
        return f"there is no C compiler ({compiler})"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "Python's headers are not installed (python3-dev)"
    return None


def compiled(folder: Path) -> Path:
    """A folder to import `controller` from. What was built from other sources before is removed.

    Raises:
        NotCompiledError: something is missing, or the build failed.
    """
    lacking = missing()
    if lacking is not None:
        raise NotCompiledError(lacking)
    ready = folder / _digest()
    if not ready.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            unpacked = Path(place) / "unpacked"
            with zipfile.ZipFile(_wheel(Path(place))) as archive:
                archive.extractall(unpacked)
            unpacked.rename(ready)
    return ready


def _digest() -> str:
    """Of the modules, what they import, and what compiles them."""
    sources = [*ROOT.glob("controller/allocation/*.py"), ROOT / "drivers" / "api.py", ROOT / "setup.py"]
    digest = hashlib.sha256(str(sysconfig.get_config_var("EXT_SUFFIX")).encode())
    for path in sorted(sources):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _wheel(place: Path) -> Path:
    source = place / "source"
    source.mkdir()
    for part in _PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    try:
        subprocess.run(
            [*command, "--no-build-isolation", "--wheel-dir", place, source],
            check=True,
            capture_output=True,
            text=True,
            timeout=_WITHIN_S,
            env={**os.environ, "AMPYARD_COMPILE": "1"},
        )
    except subprocess.CalledProcessError as failed:
        raise NotCompiledError((failed.stderr.strip().splitlines() or ["the build failed"])[-1]) from failed
    except subprocess.TimeoutExpired as late:
        raise NotCompiledError(f"not compiled after {_WITHIN_S:.0f} s") from late
    [wheel] = place.glob("*.whl")
    return wheel
