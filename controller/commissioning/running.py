"""The running service, asked for what it alone may do: a bus has one master."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from controller.charging.commands import RegistersRead
from controller.charging.found import ScanState, ScanView
from controller.commissioning.wires import Owned
from controller.terminal import ANSWER_S, EXIT_FAILED, EXIT_UNAVAILABLE, fail
from drivers.api import DeviceError, Fault
from drivers.modbus.link import Answer
from drivers.modbus.pdu import EXCEPTIONS, READ_FUNCTION, ExceptionAnswerError, Request
from drivers.modbus.scheduler import Urgency

LOOK_S = 0.5

_SCAN = TypeAdapter(ScanView)
_REGISTERS = TypeAdapter(RegistersRead)
_TABLES = {function: table for table, function in READ_FUNCTION.items()}

Watch = Callable[[ScanView], None]


class ServiceWire:
    """A bus that the service has, through its HTTP API: reads only, each one beside its polling."""

    def __init__(self, owner: Owned) -> None:
        self._owner = owner

    async def transfer(self, request: Request, urgency: Urgency) -> Answer:
        """Raises DeviceError: not answered, or refused; CLOSED where the service does not answer."""
        del urgency
        body = {
            "unit": request.unit,
            "table": _TABLES[request.function],
            "address": request.address,
            "count": request.count,
        }
        said = await asyncio.to_thread(_post, f"{_base(self._owner)}/read", body)
        read = _registers(said)
        if read is None:
            raise DeviceError(Fault.CLOSED, str(said.get("error") or said.get("text") or "the service refused"))
        if read.exception in EXCEPTIONS:
            raise ExceptionAnswerError(request.unit, read.exception)
        if read.fault:
            raise DeviceError(Fault(read.fault), str(said.get("text")))
        return Answer(read.words, asyncio.get_running_loop().time() - read.age_s)


def let_write(owner: Owned, order: Mapping[str, object]) -> tuple[bool, str]:
    """Whether the service wrote it and it was kept, and its word.

    Raises:
        DeviceError: CLOSED, the service does not answer.
    """
    said = _post(f"{_base(owner)}/write", order)
    return said.get("result") == "done", str(said.get("text") or said.get("error"))


def scan_by_service(owner: Owned, units: Sequence[int], watch: Watch) -> ScanView:
    """Let the service scan a bus of its own, and wait for the end. Ctrl-C cancels the scan there too."""
    url = f"http://{owner.address}/api/scan"
    try:
        answer = httpx.post(url, json={"bus": owner.bus, "units": list(units)}, timeout=ANSWER_S, trust_env=False)
        if not answer.is_success:
            said = answer.json()
            fail(str(said.get("text") or said.get("error")), EXIT_FAILED)
        return _followed(url, owner, watch)
    except KeyboardInterrupt:
        with contextlib.suppress(httpx.HTTPError):
            httpx.delete(url, timeout=ANSWER_S, trust_env=False)
        raise
    except (httpx.HTTPError, ValueError) as error:
        _silent(owner, error)


def _followed(url: str, owner: Owned, watch: Watch) -> ScanView:
    while True:
        time.sleep(LOOK_S)
        scan = _SCAN.validate_json(httpx.get(url, timeout=ANSWER_S, trust_env=False).content)
        if scan.bus != owner.bus:
            fail(f"somebody else began a scan of bus {scan.bus!r}", EXIT_FAILED)
        watch(scan)
        if scan.state is not ScanState.RUNNING:
            return scan


def _base(owner: Owned) -> str:
    return f"http://{owner.address}/api/buses/{quote(owner.bus, safe='')}"


def _post(url: str, body: Mapping[str, object]) -> Mapping[str, object]:
    """The answer, whatever its status.

    Raises:
        DeviceError: CLOSED, the service does not answer.
    """
    try:
        said = httpx.post(url, json=dict(body), timeout=ANSWER_S, trust_env=False).json()
    except (httpx.HTTPError, ValueError) as error:
        raise DeviceError(Fault.CLOSED, f"the service does not answer: {error}") from error
    return said if isinstance(said, dict) else {}


def _registers(said: Mapping[str, object]) -> RegistersRead | None:
    try:
        return _REGISTERS.validate_python(said.get("registers"))
    except ValidationError:
        return None


def _silent(owner: Owned, error: Exception) -> NoReturn:
    fail(f"the service does not answer at {owner.address}: {error}; is it running?", EXIT_UNAVAILABLE)
