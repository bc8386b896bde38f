"""A PN532 at a real pseudo-terminal: what it is asked, cards that come and go, and all that goes wrong."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from drivers.api import Feedback, Health
from sim.clock import SimClock
from sim.device_profile import load_profile
from sim.pn532 import SimPn532
from sim.readers import SimReader
from tests.drivers.rfid.heard import Heard, patient, profile_of, running, until

CARD, OTHER = "04A1B2C3D4E5F6", "A1B2C3D4"


class Bench:
    def __init__(self) -> None:
        self.reader = SimReader("r", load_profile("pn532"), ["A1"], clock=SimClock())
        assert isinstance(self.reader.device, SimPn532)
        self.chip = self.reader.device
        self.heard = Heard()
        self._looks = 0

    def looked_again(self) -> bool:
        """Whether it has read a card since the last yes."""
        before, looks = self._looks, self.chip.commands.count(0x52)
        self._looks = max(before, looks)
        return looks > before

    def lay(self, uid: str) -> None:
        self.chip.present(bytes.fromhex(uid))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.reader.close()


async def test_it_is_woken_set_up_and_asked_before_it_counts_as_well(bench: Bench) -> None:
    async with running(profile_of("pn532"), bench.reader.port, bench.heard) as reader:
        await until(lambda: reader.health is Health.OK and 0x4A in bench.chip.commands)
        assert bench.chip.commands[:3] == [0x14, 0x02, 0x4A]
        assert "firmware 1.6" in bench.heard.texts[0]
        await reader.show(Feedback.ACCEPTED)


@pytest.mark.parametrize("uid", [OTHER, CARD, "04112233445566778899", "08A1B2C3"])
async def test_r21_cards_of_every_length_are_taps_and_random_ones_are_passed_on_as_such(
    bench: Bench, uid: str
) -> None:
    async with running(profile_of("pn532"), bench.reader.port, bench.heard):
        await until(lambda: bench.heard.health == [Health.OK])
        bench.lay(uid)
        await until(lambda: bench.heard.uids)
        assert bench.heard.uids == [uid]


async def test_a_card_with_iso_14443_4_is_read_past_its_ats(bench: Bench) -> None:
    bench.chip.ats = bytes.fromhex("067577810280")
    bench.lay(CARD)
    async with running(profile_of("pn532"), bench.reader.port, bench.heard):
        await until(lambda: bench.heard.uids)
        assert bench.heard.uids == [CARD]


async def test_a_card_that_is_held_is_one_tap(bench: Bench) -> None:
    async with running(patient("pn532"), bench.reader.port, bench.heard):
        await until(lambda: bench.heard.health == [Health.OK])
        bench.lay(CARD)
        await until(lambda: bench.chip.commands.count(0x4A) >= 8)
        assert bench.heard.uids == [CARD]


async def test_a_card_that_was_taken_away_and_is_shown_again_is_another_tap(bench: Bench) -> None:
    async with running(profile_of("pn532"), bench.reader.port, bench.heard):
        await until(lambda: bench.heard.health == [Health.OK])
        bench.lay(CARD)
        await until(lambda: bench.heard.uids)
        bench.chip.remove()
        await asyncio.sleep(1.5)
        bench.lay(CARD)
        await until(lambda: len(bench.heard.uids) == 2)
        assert bench.heard.uids == [CARD, CARD]


async def test_a_phone_that_shows_another_random_uid_at_each_look_is_one_tap(bench: Bench) -> None:
    async with running(patient("pn532"), bench.reader.port, bench.heard):
        await until(lambda: bench.heard.health == [Health.OK])
        for number in range(5):
            bench.lay(f"08A1B2{number:02X}")
            await until(bench.looked_again)
        assert bench.heard.uids == ["08A1B200"]


async def test_a_damaged_answer_is_asked_for_again(bench: Bench) -> None:
    async with running(profile_of("pn532"), bench.reader.port, bench.heard):
        await until(lambda: 0x4A in bench.chip.commands)
        searches = bench.chip.commands.count(0x4A)
        bench.chip.damage_next = 1
        bench.lay(CARD)
        await until(lambda: bench.heard.uids)
        assert bench.heard.uids == [CARD]
        assert bench.chip.commands[: bench.chip.commands.index(0x52)].count(0x4A) == searches


async def test_a_chip_whose_every_answer_is_damaged_is_not_called_well_for_ever(bench: Bench) -> None:
    async with running(profile_of("pn532"), bench.reader.port, bench.heard) as reader:
        await until(lambda: reader.health is Health.OK)
        bench.chip.damage_next = 1_000_000
        bench.lay(CARD)
        await until(lambda: reader.health is Health.LOST)
        assert bench.chip.damage_next > 1_000_000 - 100
        bench.chip.damage_next = 0
        await until(lambda: bench.heard.uids)
        assert bench.heard.uids == [CARD]


async def test_a_chip_that_does_not_search_is_never_called_well(bench: Bench) -> None:
    bench.chip.searches = False
    async with running(profile_of("pn532"), bench.reader.port, bench.heard) as reader:
        await until(lambda: reader.health is Health.LOST)
        await asyncio.sleep(2.5)
        assert len(bench.heard.events) == 1


async def test_a_chip_that_answers_late_does_not_make_another_tap_of_a_card_that_is_held(bench: Bench) -> None:
    async with running(profile_of("pn532"), bench.reader.port, bench.heard):
        await until(lambda: bench.heard.health == [Health.OK])
        bench.lay(CARD)
        await until(lambda: bench.heard.uids)
        bench.chip.deaf = True
        await asyncio.sleep(0.3)
        time.sleep(0.5)
        bench.chip.deaf = False
        await asyncio.sleep(1)
        assert bench.heard.uids == [CARD]


async def test_what_the_chip_said_while_the_loop_was_busy_counts(bench: Bench) -> None:
    bench.chip.busy_s = 0.3  # longer than the chip may take to acknowledge
    async with running(profile_of("pn532"), bench.reader.port, bench.heard):
        await asyncio.sleep(4)
        assert bench.heard.health == [Health.OK]
        assert bench.chip.commands[:3] == [0x14, 0x02, 0x4A]
        bench.lay(CARD)
        await until(lambda: bench.heard.uids)


async def test_a_line_that_never_falls_silent_is_no_chip(bench: Bench) -> None:
    bench.chip.deaf = True
    ends = threading.Event()

    def noise() -> None:
        while not ends.is_set():
            with suppress(BlockingIOError):
                os.write(bench.reader._pty.master, b"\x5a" * 64)

    async with running(profile_of("pn532"), bench.reader.port, bench.heard) as reader:
        task = asyncio.create_task(asyncio.to_thread(noise))
        try:
            await until(lambda: reader.health is Health.LOST)
        finally:
            ends.set()
            await task
        bench.chip.deaf = False
        await until(lambda: reader.health is Health.OK)


async def test_a_command_that_is_refused_once_is_said_again(bench: Bench) -> None:
    bench.chip.refuse_next = 2
    async with running(profile_of("pn532"), bench.reader.port, bench.heard):
        await until(lambda: bench.heard.health)
        assert bench.heard.health == [Health.OK]


@pytest.mark.parametrize("noise", ["00", "FF00FF00", "0000FF0CF4D54B", "0000FF7F81", "55" * 50])
async def test_noise_between_frames_does_not_cost_the_next_card(bench: Bench, noise: str) -> None:
    async with running(profile_of("pn532"), bench.reader.port, bench.heard):
        await until(lambda: 0x4A in bench.chip.commands)
        await bench.reader.raw(bytes.fromhex(noise))
        await asyncio.sleep(0.1)
        bench.lay(CARD)
        await until(lambda: bench.heard.uids)
        assert bench.heard.uids == [CARD]
        assert bench.heard.health == [Health.OK]


async def test_while_no_card_comes_it_must_show_that_it_lives_and_is_found_again(bench: Bench) -> None:
    async with running(profile_of("pn532"), bench.reader.port, bench.heard) as reader:
        await until(lambda: 0x4A in bench.chip.commands)
        bench.chip.deaf = True
        bench.chip.power_cycle()
        await until(lambda: reader.health is Health.LOST)
        assert "HSU" in bench.heard.texts[-1]
        loop = asyncio.get_running_loop()
        bench.chip.deaf, back_s = False, loop.time()
        await until(lambda: reader.health is Health.OK)
        assert loop.time() - back_s < 5
        bench.lay(CARD)
        await until(lambda: bench.heard.uids)
        assert bench.heard.uids == [CARD]


async def test_a_port_without_a_chip_is_told_with_words_and_tried_until_there_is_one(bench: Bench) -> None:
    bench.chip.deaf = True
    async with running(profile_of("pn532"), bench.reader.port, bench.heard) as reader:
        await until(lambda: reader.health is Health.LOST)
        assert "HSU" in bench.heard.texts[0]
        await asyncio.sleep(2)
        assert bench.heard.health == [Health.LOST]
        bench.chip.deaf = False
        await until(lambda: reader.health is Health.OK)


async def test_a_chip_that_was_reset_unnoticed_is_woken_again(bench: Bench) -> None:
    async with running(profile_of("pn532"), bench.reader.port, bench.heard):
        await until(lambda: 0x4A in bench.chip.commands)
        bench.chip.power_cycle()
        bench.lay(CARD)
        await until(lambda: bench.heard.uids)
        assert bench.heard.health == [Health.OK, Health.LOST, Health.OK]


async def test_a_quiet_chip_that_lives_stays_well(bench: Bench) -> None:
    async with running(profile_of("pn532"), bench.reader.port, bench.heard):
        await until(lambda: bench.chip.commands.count(0x4A) >= 3)
        assert bench.heard.health == [Health.OK]
        assert bench.chip.aborts >= 2
        bench.lay(CARD)
        await until(lambda: bench.heard.uids)


async def test_an_adapter_that_was_pulled_out_is_found_again_within_five_seconds(tmp_path: Path) -> None:
    port, first, heard = tmp_path / "usb-adapter", Bench(), Heard()
    port.symlink_to(first.reader.port)
    async with running(profile_of("pn532"), str(port), heard) as reader:
        await until(lambda: reader.health is Health.OK)
        port.unlink()
        await first.reader.close()
        await until(lambda: reader.health is Health.LOST)
        await asyncio.sleep(1.2)  # at least one attempt finds nothing
        second = Bench()
        loop = asyncio.get_running_loop()
        port.symlink_to(second.reader.port)
        back_s = loop.time()
        await until(lambda: reader.health is Health.OK)
        assert loop.time() - back_s < 5
        second.lay(CARD)
        await until(lambda: heard.uids)
        assert heard.uids == [CARD]
        assert heard.health == [Health.OK, Health.LOST, Health.OK]
    await second.reader.close()
