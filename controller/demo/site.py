"""Two processes, the simulator and the controller, and HTTP to both."""

import asyncio
import contextlib
import signal
import sys
import tomllib
from pathlib import Path
from typing import Any

import httpx

START_S = 60.0
STOP_S = 15.0


class DemoError(Exception):
    """The demonstration could not be carried out; the text says what to look at."""


class Simulator:
    """`python -m sim`, driven by its control API."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process = process
        self.url = url
        self._http = httpx.AsyncClient(base_url=url, timeout=30.0, trust_env=False)

    @classmethod
    async def start(cls, scenario: str, folder: Path) -> "Simulator":
        """Start it and wait until everything listens.

        Raises:
            DemoError: it did not come up.
        """
        log = await asyncio.to_thread((folder / "sim.log").open, "wb")
        with log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "sim", scenario, "--control", "127.0.0.1:0", "--out", str(folder)),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        try:
            return cls(process, await _address(process, folder))
        except (DemoError, asyncio.CancelledError):
            await _stop(process)
            raise

    async def post(self, path: str, **body: object) -> dict[str, Any]:
        """Reach a state of the simulated hardware.

        Raises:
            DemoError: it said no.
        """
        answer = await self._http.post(path, json=body)
        if answer.status_code != httpx.codes.OK:
            raise DemoError(f"simulator: POST {path} {body}: {answer.status_code} {answer.text}")
        reached: dict[str, Any] = answer.json()
        return reached

    async def state(self) -> dict[str, Any]:
        state: dict[str, Any] = (await self._http.get("/v1/state")).json()
        return state

    async def stop(self) -> None:
        await self._http.aclose()
        await _stop(self._process)


async def _address(process: asyncio.subprocess.Process, folder: Path) -> str:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_S):
            while process.stdout is not None and (line := await process.stdout.readline()):
                if line.startswith(b"SIM "):
                    return line.split()[1].decode()
    raise DemoError(f"the simulator did not start: see {folder / 'sim.log'}")


class Controller:
    """`ampyard run`, which may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        settings = tomllib.loads((folder / "site.toml").read_text(encoding="utf-8"))
        self.url = f"http://{settings['web']['listen']}"
        self.state_dir = folder / settings["site"]["state_dir"]
        self._http = httpx.AsyncClient(base_url=self.url, timeout=5.0, trust_env=False)

    async def start(self) -> None:
        log = await asyncio.to_thread((self._folder / "ampyard.log").open, "ab")
        with log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "controller", "run", "--config", str(self._folder / "site.toml")),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def view(self) -> dict[str, Any] | None:
        """What the local page shows; None while it does not answer."""
        try:
            answer = await self._http.get("/api/site")
            seen: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError):
            return None
        return seen

    async def wait_until_up(self) -> None:
        """Wait until the page answers and every charging point has been read.

        Raises:
            DemoError: it did not come up, or ended.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                while not self._ended():
                    view = await self.view()
                    if view is not None and all(evse["ev_state"] is not None for evse in view["evses"]):
                        return
                    await asyncio.sleep(0.3)
        raise DemoError(f"the controller did not come up: see {self._folder / 'ampyard.log'}")

    def _ended(self) -> bool:
        return self._process is None or self._process.returncode is not None

    async def kill(self) -> None:
        """End it without a chance to tidy up (kill -9)."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        if self._process is not None:
            await _stop(self._process)
        await self._http.aclose()


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Ask, then insist."""
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
