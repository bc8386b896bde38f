"""A reader behind PC/SC, against a stand-in for pyscard: nobody has tried it with a real reader."""

import asyncio
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from drivers.api import DeviceError, Fault, Feedback, Health
from drivers.rfid import pcsc
from drivers.rfid.acr122 import order_for
from drivers.rfid.pcsc_session import uid_in
from tests.drivers.rfid.heard import Heard, profile_of, running, until
from tests.drivers.rfid.pcscd import Pcscd

CARD, OTHER = bytes.fromhex("04A1B2C3D4E5F6"), bytes.fromhex("04D1D2D3")
PORT = "acr122"
PROFILE = profile_of("pcsc")


@pytest.fixture
def pcscd(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pcscd]:
    made = Pcscd()
    monkeypatch.setitem(sys.modules, "smartcard", ModuleType("smartcard"))
    monkeypatch.setitem(sys.modules, "smartcard.scard", made.module())
    yield made
    made.answers.set()


async def looks(pcscd: Pcscd, times: int = 3) -> None:
    before = len(pcscd.asked)
    await until(lambda: len(pcscd.asked) >= before + times)


async def test_a_card_that_lies_there_is_one_tap(pcscd: Pcscd) -> None:
    heard = Heard()
    async with running(PROFILE, PORT, heard):
        await until(lambda: heard.health == [Health.OK])
        pcscd.card = CARD
        await looks(pcscd, 5)
        pcscd.card = None
        await asyncio.sleep((PROFILE.repeat_s or 0.0) + 1.0)
        pcscd.card = OTHER
        await until(lambda: len(heard.uids) == 2)
    assert heard.uids == ["04A1B2C3D4E5F6", "04D1D2D3"]
    assert set(pcscd.asked) == {bytes.fromhex("FFCA000000")}


async def test_nothing_is_open_when_it_has_ended(pcscd: Pcscd) -> None:
    heard = Heard()
    async with running(PROFILE, PORT, heard):
        await until(lambda: heard.health == [Health.OK])
    await until(lambda: pcscd.contexts == 0)
    assert pcscd.opened == 1


async def test_a_reader_that_was_unplugged_is_found_again_under_another_number(pcscd: Pcscd) -> None:
    heard = Heard()
    async with running(PROFILE, PORT, heard):
        await until(lambda: heard.health == [Health.OK])
        pcscd.readers = []
        await until(lambda: heard.health == [Health.OK, Health.LOST])
        pcscd.readers, pcscd.card = ["ACS ACR122U PICC Interface 01 00"], CARD
        async with asyncio.timeout(5):
            await until(lambda: heard.uids)
    assert heard.health == [Health.OK, Health.LOST, Health.OK]
    assert "unplugged" in heard.texts[1]


async def test_a_service_that_starts_later_or_restarts_is_found(pcscd: Pcscd) -> None:
    pcscd.runs = False
    heard = Heard()
    async with running(PROFILE, PORT, heard):
        await until(lambda: heard.health == [Health.LOST])
        assert "is pcscd installed and at work?" in heard.texts[0]
        pcscd.runs = True
        await until(lambda: heard.health[-1] is Health.OK)
        pcscd.runs = False
        await until(lambda: heard.health[-1] is Health.LOST)
        pcscd.runs = True
        await until(lambda: heard.health[-1] is Health.OK)
    assert heard.uids == []


async def test_several_readers_that_fit_are_refused_and_named(pcscd: Pcscd) -> None:
    pcscd.readers = ["ACS ACR122U PICC Interface 00 00", "ACS ACR122U PICC Interface 01 00"]
    heard = Heard()
    async with running(PROFILE, PORT, heard):
        await until(lambda: heard.health == [Health.LOST])
    assert "several readers fit" in heard.texts[0]
    assert "01 00" in heard.texts[0]


async def test_another_reader_is_not_taken(pcscd: Pcscd) -> None:
    pcscd.readers = ["Generic Contact Reader 00 00"]
    heard = Heard()
    async with running(PROFILE, PORT, heard):
        await until(lambda: heard.health == [Health.LOST])
    assert "pcscd knows: Generic Contact Reader 00 00" in heard.texts[0]


@pytest.mark.parametrize(
    "answer",
    [
        "6300",
        "6A81",
        "6C07",
        "9000",
        "",
        "90",
        "04A1B2C39000AA",
        "000000009000",
        "FFFFFFFF9000",
        "04A1B29000",
        "04A1B2C36300",
        "00" * 300,
    ],
)
def test_what_is_no_uid_is_no_card(answer: str) -> None:
    assert uid_in(bytes.fromhex(answer), reverse_bytes=False) is None


def test_r21_the_profile_says_the_order_of_the_bytes_and_a_random_uid_keeps_its_own() -> None:
    assert uid_in(OTHER + b"\x90\x00", reverse_bytes=True) == "D3D2D104"
    assert uid_in(bytes.fromhex("08A1B2C39000"), reverse_bytes=True) == "08A1B2C3"


async def test_a_card_that_goes_away_or_is_silent_is_no_fault_of_the_reader(pcscd: Pcscd) -> None:
    heard = Heard()
    async with running(PROFILE, PORT, heard):
        await until(lambda: heard.health == [Health.OK])
        pcscd.removed_while_asked, pcscd.card = True, CARD
        await asyncio.sleep(0.6)
        pcscd.removed_while_asked, pcscd.mute = False, True
        await asyncio.sleep(0.6)
        assert heard.uids == []
        pcscd.mute = False
        await until(lambda: heard.uids)
    assert heard.health == [Health.OK]


async def test_a_library_that_hangs_does_not_hold_up_the_loop(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pcsc, "CALL_S", 0.4)
    heard = Heard()
    async with running(PROFILE, PORT, heard):
        await until(lambda: heard.health == [Health.OK])
        pcscd.answers.clear()
        await until(lambda: heard.health == [Health.OK, Health.LOST])
        assert "no answer within" in heard.texts[1]
        pcscd.card = CARD
        await asyncio.sleep(2.0)
        assert pcscd.opened == 1, "no call is added to the one that hangs"
        pcscd.answers.set()
        await until(lambda: heard.uids)
    assert heard.health == [Health.OK, Health.LOST, Health.OK]
    await until(lambda: pcscd.contexts == 0)


async def test_a_library_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "smartcard", None)
    heard = Heard()
    async with running(PROFILE, PORT, heard):
        await until(lambda: heard.health == [Health.LOST])
    assert "ampyard[pcsc]" in heard.texts[0]


def test_the_lights_of_an_acr122_as_its_manual_has_them() -> None:
    # P2: final red, update red and green, initial and blinking by colour; then lit, dark, times, buzzer while lit
    orders = {one: bytes(order_for("ACS ACR122U", one) or ()).hex() for one in Feedback}
    assert orders == {
        Feedback.ACCEPTED: "ff0040ad0405010101",
        Feedback.REFUSED: "ff00405d0402020301",
        Feedback.WAITING: "ff0040fd0404020200",
    }
    assert order_for("ACS ACR1252 1S CL Reader", Feedback.ACCEPTED) is None


async def test_feedback_goes_by_the_card_while_it_lies_there_and_else_to_the_reader(pcscd: Pcscd) -> None:
    heard = Heard()
    accepted = bytes(order_for(PORT, Feedback.ACCEPTED) or ())
    async with running(PROFILE, PORT, heard) as reader:
        with pytest.raises(DeviceError) as early:
            await reader.show(Feedback.ACCEPTED)
        assert early.value.fault is Fault.CLOSED
        await until(lambda: heard.health == [Health.OK])
        pcscd.card = CARD
        await until(lambda: heard.uids)
        await reader.show(Feedback.ACCEPTED)
        assert accepted in pcscd.asked
        pcscd.card = None
        with pytest.raises(DeviceError, match="ifdDriverOptions"):
            await reader.show(Feedback.ACCEPTED)
        pcscd.escape = True
        await reader.show(Feedback.ACCEPTED)
        assert pcscd.escaped == [accepted]
    assert heard.health == [Health.OK]


async def test_feedback_for_a_card_that_is_held_does_not_make_another_tap_of_it(pcscd: Pcscd) -> None:
    pcscd.blinks_s = 1.4  # an ACR122 takes no question until it has blinked
    heard = Heard()
    async with running(PROFILE, PORT, heard) as reader:
        await until(lambda: heard.health == [Health.OK])
        pcscd.card = CARD
        await until(lambda: heard.uids)
        await reader.show(Feedback.REFUSED)
        await looks(pcscd)
    assert heard.uids == ["04A1B2C3D4E5F6"]


async def test_a_service_that_answers_too_late_again_and_again_keeps_nothing_open(
    pcscd: Pcscd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pcsc, "CALL_S", 0.1)
    pcscd.lists_after_s = 0.3
    heard = Heard()
    async with running(PROFILE, PORT, heard):
        await until(lambda: pcscd.opened == 3)
        assert pcscd.contexts <= 1
        pcscd.lists_after_s = 0.0
        await until(lambda: heard.health[-1] is Health.OK)
    await until(lambda: pcscd.contexts == 0)


async def test_a_model_whose_lights_are_unknown_shows_nothing(pcscd: Pcscd) -> None:
    pcscd.readers = ["ACS ACR1252 1S CL Reader 00 00"]
    heard = Heard()
    async with running(PROFILE, "ACR1252", heard) as reader:
        await until(lambda: heard.health == [Health.OK])
        await reader.show(Feedback.ACCEPTED)
    assert (pcscd.asked, pcscd.escaped) == ([], [])
