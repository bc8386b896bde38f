"""A TWN4 at a real pseudo-terminal: cards that come and go, what a driver sees and hears, and what goes wrong."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from drivers.api import DeviceError, Fault, Feedback, Health
from sim.clock import SimClock
from sim.device_profile import load_profile
from sim.readers import SimReader
from sim.twn4 import SimTwn4
from tests.drivers.rfid.heard import Heard, patient, profile_of, running, until

CARD = "04A1B2C3D4E5F6"
RED, GREEN = 1, 2


class Bench:
    def __init__(self) -> None:
        self.reader = SimReader("r", load_profile("twn4"), ["A1"], clock=SimClock())
        assert isinstance(self.reader.device, SimTwn4)
        self.twn4 = self.reader.device
        self.heard = Heard()

    def lay(self, uid: str) -> None:
        self.twn4.present(bytes.fromhex(uid))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.reader.close()


@pytest.mark.parametrize("uid", [CARD, "0100ABCDEF", "E004010012345678", "08A1B2C3"])
async def test_cards_of_every_kind_are_taps(bench: Bench, uid: str) -> None:
    async with running(profile_of("twn4"), bench.reader.port, bench.heard):
        await until(lambda: bench.heard.health == [Health.OK])
        bench.lay(uid)
        await until(lambda: bench.heard.uids)
        assert bench.heard.uids == [uid]


async def test_a_card_that_is_held_is_one_tap(bench: Bench) -> None:
    async with running(patient("twn4"), bench.reader.port, bench.heard):
        bench.lay(CARD)
        await until(lambda: bench.heard.uids)
        await asyncio.sleep(0.8)
        assert bench.heard.uids == [CARD]


async def test_a_card_that_was_taken_away_and_is_shown_again_is_another_tap(bench: Bench) -> None:
    async with running(profile_of("twn4"), bench.reader.port, bench.heard):
        bench.lay(CARD)
        await until(lambda: bench.heard.uids)
        bench.twn4.remove()
        await asyncio.sleep(1.5)
        bench.lay(CARD)
        await until(lambda: len(bench.heard.uids) == 2)


@pytest.mark.parametrize(
    ("feedback", "lights", "beeps"),
    [
        (Feedback.ACCEPTED, GREEN, [(100, 2313, 257, 0)]),
        (Feedback.WAITING, GREEN | RED, [(100, 2313, 257, 0)] * 2),
        (Feedback.REFUSED, RED, [(100, 1028, 257, 0)] * 3),
    ],
)
async def test_each_feedback_has_its_light_and_sound_and_the_light_goes_out(
    bench: Bench, feedback: Feedback, lights: int, beeps: list[tuple[int, ...]]
) -> None:
    async with running(profile_of("twn4"), bench.reader.port, bench.heard) as reader:
        await until(lambda: reader.health is Health.OK)
        await reader.show(feedback)
        assert bench.twn4.lights == lights
        assert bench.twn4.beeps == beeps[:1]
        await until(lambda: bench.twn4.beeps == beeps)
        await until(lambda: bench.twn4.lights == 0)
        assert bench.twn4.beeps == beeps


async def test_a_card_that_lies_there_while_it_beeps_does_not_tap_again(bench: Bench) -> None:
    async with running(profile_of("twn4"), bench.reader.port, bench.heard) as reader:
        bench.lay(CARD)
        await until(lambda: bench.heard.uids)
        await reader.show(Feedback.REFUSED)
        await until(lambda: len(bench.twn4.beeps) == 3)
        assert bench.heard.uids == [CARD]


async def test_an_answer_with_a_wrong_digit_is_no_card(bench: Bench) -> None:
    async with running(patient("twn4"), bench.reader.port, bench.heard):
        await until(lambda: bench.heard.health == [Health.OK])
        bench.twn4.garble_next = 1
        bench.lay(CARD)
        await until(lambda: bench.heard.uids)
        await asyncio.sleep(0.3)
        assert bench.twn4.garble_next == 0
        assert bench.heard.uids == [CARD]


async def test_two_cards_that_are_told_in_turn_are_one_tap_each(bench: Bench) -> None:
    async with running(patient("twn4"), bench.reader.port, bench.heard):
        await until(lambda: bench.heard.health == [Health.OK])
        bench.twn4.beneath = bytes.fromhex("A1B2C3D4")
        bench.lay(CARD)
        await until(lambda: len(bench.heard.uids) == 2)
        await asyncio.sleep(0.5)
        assert sorted(bench.heard.uids) == [CARD, "A1B2C3D4"]


async def test_r21_a_phone_that_shows_another_random_uid_at_each_look_is_one_tap(bench: Bench) -> None:
    async with running(patient("twn4"), bench.reader.port, bench.heard):
        await until(lambda: bench.heard.health == [Health.OK])
        for number in range(20):
            bench.lay(f"08A1B2{number:02X}")
            await asyncio.sleep(0.03)
        assert len(bench.heard.uids) == 1


async def test_a_lost_answer_does_not_make_another_tap_of_a_card_that_is_held(bench: Bench) -> None:
    async with running(profile_of("twn4"), bench.reader.port, bench.heard):
        bench.lay(CARD)
        await until(lambda: bench.heard.uids)
        bench.twn4.deaf = True
        await asyncio.sleep(0.3)
        bench.twn4.deaf = False
        await asyncio.sleep(1)
        assert bench.heard.health == [Health.OK]
        assert bench.heard.uids == [CARD]


async def test_a_sounder_that_is_refused_later_does_not_cost_the_reader(bench: Bench) -> None:
    bench.twn4.has_lights = False
    async with running(profile_of("twn4"), bench.reader.port, bench.heard) as reader:
        await until(lambda: reader.health is Health.OK)
        await reader.show(Feedback.REFUSED)
        bench.twn4.has_sounder = False
        await asyncio.sleep(0.8)
        bench.lay(CARD)
        await until(lambda: bench.heard.uids)
        assert bench.heard.health == [Health.OK]


async def test_whoever_waits_for_feedback_when_the_reader_is_stopped_is_told(bench: Bench) -> None:
    async with running(profile_of("twn4"), bench.reader.port, bench.heard) as reader:
        await until(lambda: reader.health is Health.OK)
        bench.twn4.deaf_to = b"04"
        asked = asyncio.create_task(reader.show(Feedback.ACCEPTED))
        await asyncio.sleep(0.3)
    with pytest.raises(DeviceError):
        await asyncio.wait_for(asked, 5)


async def test_the_newest_feedback_replaces_the_one_before(bench: Bench) -> None:
    async with running(profile_of("twn4"), bench.reader.port, bench.heard) as reader:
        await until(lambda: reader.health is Health.OK)
        await reader.show(Feedback.REFUSED)
        await reader.show(Feedback.ACCEPTED)
        assert bench.twn4.lights == GREEN
        await asyncio.sleep(1.2)
        assert [hertz for _, hertz, *_ in bench.twn4.beeps] == [1028, 2313]


async def test_a_model_without_lights_still_beeps(bench: Bench) -> None:
    bench.twn4.has_lights = False
    async with running(profile_of("twn4"), bench.reader.port, bench.heard) as reader:
        await until(lambda: reader.health is Health.OK)
        await reader.show(Feedback.ACCEPTED)
        assert (bench.twn4.lights, len(bench.twn4.beeps)) == (0, 1)


async def test_a_model_without_a_sounder_still_lights(bench: Bench) -> None:
    bench.twn4.has_sounder = False
    async with running(profile_of("twn4"), bench.reader.port, bench.heard) as reader:
        await until(lambda: reader.health is Health.OK)
        await reader.show(Feedback.REFUSED)
        assert bench.twn4.lights == RED


async def test_a_model_with_neither_says_so_and_goes_on_reading(bench: Bench) -> None:
    bench.twn4.has_lights = bench.twn4.has_sounder = False
    async with running(profile_of("twn4"), bench.reader.port, bench.heard) as reader:
        await until(lambda: reader.health is Health.OK)
        with pytest.raises(DeviceError) as refused:
            await reader.show(Feedback.ACCEPTED)
        assert refused.value.fault is Fault.REFUSED
        bench.lay(CARD)
        await until(lambda: bench.heard.uids)
        assert bench.heard.health == [Health.OK]


async def test_feedback_that_nobody_waits_for_any_more_harms_nothing(bench: Bench) -> None:
    async with running(profile_of("twn4"), bench.reader.port, bench.heard) as reader:
        await until(lambda: reader.health is Health.OK)
        for _ in range(3):
            asked = asyncio.create_task(reader.show(Feedback.REFUSED))
            await asyncio.sleep(0)
            asked.cancel()
            await asyncio.wait({asked})
        bench.lay(CARD)
        await until(lambda: bench.heard.uids)
        assert bench.heard.health == [Health.OK]


async def test_a_reader_that_is_not_there_shows_nothing_and_says_so(bench: Bench) -> None:
    bench.twn4.deaf = True
    async with running(profile_of("twn4"), bench.reader.port, bench.heard) as reader:
        with pytest.raises(DeviceError) as gone:
            await reader.show(Feedback.ACCEPTED)
        assert gone.value.fault is Fault.CLOSED
        await until(lambda: reader.health is Health.LOST)
        assert "Simple Protocol" in bench.heard.texts[-1]


async def test_a_reader_that_refuses_to_search_is_not_called_well(bench: Bench) -> None:
    bench.twn4.knows_search = False
    async with running(profile_of("twn4"), bench.reader.port, bench.heard) as reader:
        await until(lambda: bench.heard.health)
        assert reader.health is Health.LOST


async def test_a_wish_that_the_reader_can_no_longer_hear_fails_at_once(bench: Bench) -> None:
    async with running(profile_of("twn4"), bench.reader.port, bench.heard) as reader:
        await until(lambda: reader.health is Health.OK)
        bench.twn4.deaf = True
        with pytest.raises(DeviceError):
            await asyncio.wait_for(reader.show(Feedback.ACCEPTED), 10)


async def test_a_reader_that_fell_silent_is_found_again_within_five_seconds(bench: Bench) -> None:
    async with running(profile_of("twn4"), bench.reader.port, bench.heard) as reader:
        await until(lambda: reader.health is Health.OK)
        bench.twn4.deaf = True
        bench.twn4.power_cycle()
        await until(lambda: reader.health is Health.LOST)
        with pytest.raises(DeviceError, match="not there"):
            await asyncio.wait_for(reader.show(Feedback.ACCEPTED), 1)
        loop = asyncio.get_running_loop()
        bench.twn4.deaf, back_s = False, loop.time()
        await until(lambda: reader.health is Health.OK)
        assert loop.time() - back_s < 5
        await reader.show(Feedback.ACCEPTED)
        assert bench.twn4.lights == GREEN


@pytest.mark.parametrize("noise", [b"\x00\xff\x80", b"05\r", b"00\r", b"0001802004", b"TWN4 4.20\r\n"])
async def test_noise_costs_neither_the_reader_nor_the_next_card(bench: Bench, noise: bytes) -> None:
    async with running(profile_of("twn4"), bench.reader.port, bench.heard):
        await until(lambda: bench.heard.health == [Health.OK])
        for _ in range(3):
            await bench.reader.raw(noise)
            await asyncio.sleep(0.03)
        bench.lay(CARD)
        await until(lambda: bench.heard.uids)
        assert bench.heard.uids == [CARD]
        assert bench.heard.health == [Health.OK]
