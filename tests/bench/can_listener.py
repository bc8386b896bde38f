"""One listener on a CAN bus, a process of its own: ours, or python-can's Notifier with cantools. Says what it cost.

Both decode every frame. In a first part, which is not counted, ours is compared with what the same frame meant to
the family by itself, and each frame must be one that a module has said.
"""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import can
from cantools.database import Database

from drivers.can.bus import CanBus
from drivers.can.families.told import Family
from drivers.can.frame import Frame, IdFilter, Socketcand
from drivers.can.module_profile import catalogue
from drivers.profile import builtin_folder
from tests.bench.can_traffic import BITRATE, SIMULATED, answers, families

WARM_S = 1.0


class Count:
    """How many frames were decoded; those that nobody could are wrong."""

    def __init__(self) -> None:
        self.decoded = 0
        self.wrong = 0

    def told(self, good: bool) -> None:
        if good:
            self.decoded += 1
        else:
            self.wrong += 1


def measured(count: Count, measure_s: float) -> dict[str, float]:
    """Of this thread's process, others of its threads included."""
    decoded, cpu_s, begin_s = count.decoded, time.process_time(), time.monotonic()
    time.sleep(measure_s)
    return _cost(count, decoded, cpu_s, begin_s)


def _cost(count: Count, decoded: int, cpu_s: float, begin_s: float) -> dict[str, float]:
    return {
        "frames": count.decoded - decoded,
        "cpu_s": time.process_time() - cpu_s,
        "passed_s": time.monotonic() - begin_s,
        "wrong": count.wrong,
    }


async def ours(port: int, measure_s: float) -> dict[str, float]:
    count, checking = Count(), {"on": True}
    said = {Frame(frame.can_id, frame.data, frame.extended) for frame in await answers()}
    bus = CanBus("dc", Socketcand("127.0.0.1", port, "can0", BITRATE), lambda event: None)
    for family in families().values():
        expected = {frame: family.read(frame) for frame in said if _wanted(family.wanted, frame)}
        for wanted in family.wanted:
            bus.subscribe(wanted, _reading(family, count, expected, checking))
    running = asyncio.create_task(bus.run())
    await asyncio.sleep(WARM_S)
    checking["on"] = False
    decoded, cpu_s, begin_s = count.decoded, time.process_time(), time.monotonic()
    await asyncio.sleep(measure_s)
    found = _cost(count, decoded, cpu_s, begin_s)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return found


def _wanted(filters: tuple[IdFilter, ...], frame: Frame) -> bool:
    return any(one.takes(frame.id) for one in filters)


def _reading(
    family: Family, count: Count, expected: Mapping[Frame, object], checking: Mapping[str, bool]
) -> Callable[[Frame, float], None]:
    def receive(frame: Frame, now_s: float) -> None:
        told = family.read(frame)
        count.told(told is not None and (not checking["on"] or told == expected.get(frame)))

    return receive


def python_can(port: int, measure_s: float) -> dict[str, float]:
    """As its documentation shows: a bus, a Notifier with its thread, and a listener that decodes by cantools."""
    count = Count()
    models = catalogue(builtin_folder())
    databases = _by_family({name: models[name].frames for name in SIMULATED})
    bus = can.Bus(interface="socketcand", host="127.0.0.1", port=port, channel="can0")
    notifier = can.Notifier(bus, [_listener(databases, count)], timeout=0.2)
    try:
        threading.Event().wait(WARM_S)
        return measured(count, measure_s)
    finally:
        notifier.stop()
        bus.shutdown()


def _by_family(databases: Mapping[str, Database]) -> list[tuple[Family, Database]]:
    return [(family, databases[name]) for name, family in families().items()]


def _listener(databases: list[tuple[Family, Database]], count: Count) -> Callable[[can.Message], None]:
    """The message of a DBC file is found by what of the identifier names it: the module's address differs."""
    known: dict[int, Any] = {}

    def receive(message: can.Message) -> None:
        found = known.get(message.arbitration_id)
        if found is None:
            found = known[message.arbitration_id] = _message(databases, message.arbitration_id)
        count.told(found is not None and bool(found.decode_simple(message.data, decode_choices=False)))

    return receive


def _message(databases: list[tuple[Family, Database]], can_id: int) -> Any:
    """The one whose identifier shares the most bits with this, in the database of the family that wants it."""
    for family, database in databases:
        if _wanted(family.wanted, Frame(can_id, b"")):
            answering = [message for message in database.messages if "Controller" not in message.senders]
            return min(answering or database.messages, key=lambda one: (one.frame_id ^ can_id).bit_count())
    return None


def main() -> None:
    who, port, measure_s = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    found = asyncio.run(ours(port, measure_s)) if who == "ours" else python_can(port, measure_s)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
