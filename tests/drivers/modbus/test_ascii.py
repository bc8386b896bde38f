"""Modbus ASCII: frames of the specification, hostile lines, and the link over a pty against the simulated slave."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any

import pytest
from pymodbus.framer.ascii import FramerAscii
from pymodbus.pdu import DecodePDU

from drivers.api import DeviceError, Fault
from drivers.modbus import frames, pdu
from drivers.modbus.ascii import LONGEST, Search, ends_with_question, frame, lrc
from drivers.modbus.blocks import char_s
from drivers.modbus.bus import ModbusBus
from drivers.modbus.link import Answer
from drivers.modbus.rtu import RtuLink
from drivers.modbus.unit import Timing
from drivers.setups import Line
from sim.bus_faults import Fault as SimFault
from sim.bus_faults import Faults
from sim.clock import SimClock
from sim.device_profile import SerialLine
from sim.modbus_server import RtuBus, Slaves
from tests.drivers.modbus.adversary import MemoryPort, sealed, text_sealed
from tests.drivers.modbus.adversary import Slaves as Adversaries
from tests.drivers.modbus.virtual_time import LoopAlarm, run_virtually

READ = pdu.read(17, "holding", address=0x6B, count=3)
ANSWER = text_sealed(bytes.fromhex("110306022B00000064"))
VALUES = (0x022B, 0x0000, 0x0064)
WRITE = pdu.write(17, 6, address=1, words=(3,))
TEXT = Line("memory", 9600, "E", 1, 7, "ascii")


def found(*pieces: bytes, request: pdu.Request = READ, echoes: bool = False) -> tuple[int, ...] | None:
    search = Search(request, echoes=echoes)
    for piece in pieces:
        answer = search.feed(piece)
        if answer is not None:
            return pdu.values(request, answer)
    return None


def test_the_example_of_the_specification() -> None:
    # read registers 108 to 110 of unit 17; the LRC worked out by hand: 11 + 03 + 00 + 6B + 00 + 03 = 82
    assert frame(READ) == b":1103006B00037E\r\n"
    assert lrc(bytes.fromhex("1103006B0003")) == 0x7E
    assert found(ANSWER) == VALUES


def test_somebody_elses_implementation_agrees_with_the_frames() -> None:
    framer = FramerAscii(DecodePDU(is_server=True))
    assert framer.encode(READ.pdu, 17, 0) == frame(READ)
    used, unit, _, data = framer.decode(frame(WRITE))
    assert (used, unit, data) == (len(frame(WRITE)), 17, WRITE.pdu)


def test_an_answer_may_come_in_single_characters() -> None:
    assert found(*(ANSWER[place : place + 1] for place in range(len(ANSWER)))) == VALUES


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(ANSWER[:-3] + b"0\r\n", id="another checksum"),
        pytest.param(text_sealed(bytes.fromhex("120306022B00000064")), id="another unit"),
        pytest.param(text_sealed(bytes.fromhex("110406022B00000064")), id="another function"),
        pytest.param(text_sealed(bytes.fromhex("110304022B0000")), id="another count"),
        pytest.param(text_sealed(bytes.fromhex("110306022B0000")), id="fewer values than it says"),
        pytest.param(ANSWER.lower(), id="lower case"),
        pytest.param(ANSWER[1:], id="no colon"),
        pytest.param(ANSWER[:-2], id="no end"),
        pytest.param(ANSWER[:5] + ANSWER[6:], id="a character lost"),
        pytest.param(b":\r\n", id="empty"),
        pytest.param(bytes(300), id="zeros"),
        pytest.param(b":" + b"11" * 400 + b"\r\n", id="longer than any frame"),
    ],
)
def test_nothing_but_the_answer_is_taken_and_what_follows_is_found(line: bytes) -> None:
    assert found(line) is None
    assert found(line, ANSWER) == VALUES


def test_a_colon_begins_anew() -> None:
    assert found(ANSWER[:9] + ANSWER) == VALUES


def test_an_exception_is_a_refusal() -> None:
    answer = Search(READ, echoes=False).feed(text_sealed(bytes.fromhex("118302")))
    assert answer is not None
    with pytest.raises(DeviceError) as caught:
        pdu.values(READ, answer)
    assert caught.value.fault is Fault.REFUSED


def test_the_echo_of_a_read_is_learnt_and_dropped() -> None:
    search = Search(READ, echoes=False)
    assert search.feed(frame(READ)) is None
    assert search.feed(ANSWER) is not None
    assert (search.echoed, search.plain) == (True, False)


def test_the_echo_of_a_write_is_its_answer_only_where_the_line_does_not_echo() -> None:
    assert found(frame(WRITE), request=WRITE) == ()
    assert found(frame(WRITE), request=WRITE, echoes=True) is None
    assert found(frame(WRITE), frame(WRITE), request=WRITE, echoes=True) == ()


def test_another_masters_question_takes_its_answer() -> None:
    question = text_sealed(bytes.fromhex("110300100003"))
    assert found(question, ANSWER) is None


def test_a_line_that_never_ends_keeps_little() -> None:
    search = Search(READ, echoes=False)
    for _ in range(100):
        search.feed(b"0" * 500)
    assert len(search._buffer) <= LONGEST
    assert search.feed(b":" + ANSWER) is not None


# The link, in virtual time.


async def exchange(link: RtuLink, request: pdu.Request, timeout_s: float = 0.3) -> Answer:
    future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def done(outcome: Answer | DeviceError) -> None:
        if isinstance(outcome, Answer):
            future.set_result(outcome)
        else:
            future.set_exception(outcome)

    link.begin(request, timeout_s, done)
    return await future


class Halting(MemoryPort):
    """Says the answer in two parts with a pause between."""

    pause_s = 0.0

    def _speak(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._arrive(data[:7])
        loop.call_later(self.pause_s, self._arrive, data[7:])


@pytest.mark.parametrize(("pause_s", "answered"), [(0.0, True), (0.9, True), (1.1, False)])
def test_characters_may_be_a_second_apart(pause_s: float, answered: bool) -> None:
    async def main() -> float | None:
        port = Halting(Adversaries(Random(1), fault_rate=0.0), char_s=char_s(TEXT), echoes=False, text=True)
        port.pause_s = pause_s
        link = RtuLink(TEXT, open_port=lambda _: port, new_alarm=LoopAlarm)
        await link.open(lambda: None)
        began_s = asyncio.get_running_loop().time()
        with suppress(DeviceError):
            await exchange(link, pdu.read(1, "holding", address=1, count=1))
            return asyncio.get_running_loop().time() - began_s
        assert asyncio.get_running_loop().time() - began_s < 1.5, "and no longer is waited for"
        return None

    assert (run_virtually(main()) is not None) is answered


def test_a_device_that_dribbles_does_not_hold_the_wire_for_ever() -> None:
    class Dribbling(MemoryPort):
        def _speak(self, data: bytes) -> None:
            for count in range(100):
                asyncio.get_running_loop().call_later(0.8 * count, self._arrive, b"0")

    async def main() -> float:
        port = Dribbling(Adversaries(Random(1), fault_rate=0.0), char_s=char_s(TEXT), echoes=False, text=True)
        link = RtuLink(TEXT, open_port=lambda _: port, new_alarm=LoopAlarm)
        await link.open(lambda: None)
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(DeviceError):
            await exchange(link, pdu.read(1, "holding", address=1, count=1))
        return asyncio.get_running_loop().time() - began_s

    assert run_virtually(main()) < 2.0


def test_the_time_on_the_wire_counts_two_characters_for_each_byte() -> None:
    link = RtuLink(TEXT)
    chars = len(frame(READ)) + len(ANSWER)
    assert link.line_s(READ) == pytest.approx((chars + 3.5) * char_s(TEXT))
    assert char_s(TEXT) == pytest.approx(10 / 9600)


# Against the simulator's slave, over a pty.


class Memory:
    unit, names, spacing_s, answers = 3, ("box",), 0.0, True

    def __init__(self) -> None:
        self.words = dict(enumerate(range(100, 140)))

    def heard(self) -> None:
        """Nobody minds."""

    def read(self, table: str, address: int, count: int) -> list[int]:
        return [self.words[address + place] for place in range(count)]

    def write(self, function: int, address: int, words: Any) -> None:
        self.words |= dict(enumerate(words, start=address))


@asynccontextmanager
async def simulated(*faults: str) -> AsyncIterator[tuple[Memory, ModbusBus]]:
    memory, mood = Memory(), Faults(SimClock(), Random(7))
    for kind in faults:
        mood.set(SimFault(kind, None, 0.2, None))
    side = RtuBus("wire", Slaves({3: memory}, mood, Random(7)), SerialLine(38400, "E", 1, 7, "ascii"))
    line = Line(side.port, 38400, "E", 1, 7, "ascii")
    bus = ModbusBus("wire", line, lambda _: None, timing=Timing(first_s=0.3, floor_s=0.3, ceiling_s=0.5))
    side.listen()
    running = [asyncio.create_task(side.run()), asyncio.create_task(bus.run())]
    try:
        await asyncio.sleep(0.2)
        yield memory, bus
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        side.close()


async def test_the_engine_reads_and_writes_the_simulated_slave() -> None:
    async with simulated() as (memory, bus):
        assert await bus.read_raw(3, "holding", 0, 4) == [100, 101, 102, 103]
        await bus.write_raw(3, 6, 2, [0xBEEF])
        await bus.write_raw(3, 16, 5, [1, 2])
        assert await bus.read_raw(3, "holding", 0, 8) == [100, 101, 0xBEEF, 103, 104, 1, 2, 107]
        assert memory.words[2] == 0xBEEF


@pytest.mark.parametrize("kind", ["crc", "garbage", "split", "echo"])
async def test_a_disturbed_line_gives_right_values_or_none(kind: str) -> None:
    async with simulated(kind) as (_, bus):
        right = 0
        async with asyncio.timeout(30):
            while right < 2:
                start = right % 30
                try:
                    assert await bus.read_raw(3, "holding", start, 2) == [100 + start, 101 + start]
                    right += 1
                except DeviceError:
                    await asyncio.sleep(0.1)


@pytest.mark.parametrize(("seal", "asks"), [(sealed, frames.ends_with_question), (text_sealed, ends_with_question)])
def test_another_masters_question_is_told_from_an_answer(
    seal: Callable[[bytes], bytes], asks: Callable[[bytes], bool]
) -> None:
    question = seal(b"\x01\x03\x01\xf4\x00\x02")
    assert asks(question)
    assert asks(b"noise" + question)
    assert not asks(question + seal(b"\x01\x03\x04\xde\xad\xbe\xef"))
    assert not asks(question[:-2])
    assert not asks(seal(b"\x01\x01\x03\x00\x00\x02")), "three bytes of coils"
    assert not asks(seal(b"\x01\x06\x01\xf4\x00\x02")), "acknowledged as it was asked"
    assert not asks(b"")
