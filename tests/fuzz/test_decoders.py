from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.can.families.told import Told
from drivers.can.frame import Frame
from drivers.modbus import pdu
from drivers.modbus.frames import crc
from tests.fuzz.decoders import TARGETS

GOOD = bytes([2, 3, 4, 1, 2, 3, 4])
REQUEST = bytes([0, 1, 1, 0])
"""As the targets read it: holding registers of unit 2, two of them."""

SAMPLES = {
    "ascii_answer": REQUEST + b":02030401020304ED\r\n",
    "rfid_pn532": bytes.fromhex("0000FF0CF4D54B01010004080404A1B2C3B400"),
    "rfid_twn4": b"000180200404A1B2C3\r",
    "rfid_keyboard": bytes(byte for key in (11, 5, 30, 2, 48, 3, 46, 4, 28) for byte in (1, key, 1)),
    "rfid_pcsc": bytes.fromhex("04A1B2C39000"),
    "tag_register": b"04A1B2000000",
    "slcan_text": b"T0283F003843C8400041440000\r",
    "socketcand_text": b"< frame 0283F003 1.000000 43 C8 40 00 41 44 00 00 >",
    "power_module_frame": b"\x01\x80\0\0\0\x03" + bytes.fromhex("43C8400041440000"),
}
"""For each target bytes in which there is something to be believed."""

bits = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([GOOD + crc(GOOD), b"\x00\x01\x00\x00\x00\x07" + GOOD, b"\x0204001B58\x03", b"\x02", b"\r\n"]),
    st.sampled_from([*SAMPLES.values(), b":", b"\r", b"\a", b">", b"<", b"\x00\x00\xff", b"\x90\x00"]),
)
junk = st.builds(
    lambda head, parts: head + b"".join(parts),
    st.one_of(st.just(REQUEST), st.binary(max_size=4)),
    st.lists(bits, max_size=6),
)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@settings(max_examples=400, deadline=None)
@given(data=junk)
def test_any_bytes_are_decoded_or_refused(target: Callable[[bytes], None], data: bytes) -> None:
    target(data)


def test_the_targets_reach_a_whole_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else they would prove nothing: a wrong value must be noticed."""
    monkeypatch.setattr(pdu, "content", lambda request, answer: (1,))
    with pytest.raises(AssertionError):
        TARGETS["tcp_answer"](REQUEST + b"\x00\x01\x00\x00\x00\x07" + GOOD)


WRONG = {
    "ascii_answer": ("drivers.modbus.pdu.content", lambda request, answer: (1,)),
    "rfid_pn532": ("drivers.rfid.pn532_frames.uid_of", lambda *_: "04A1B2"),
    "rfid_twn4": ("drivers.rfid.twn4_frames.uid_of", lambda *_: "04A1B2"),
    "rfid_keyboard": ("drivers.rfid.ascii_line.uid_of", lambda *_: "04A1B2"),
    "rfid_pcsc": ("drivers.rfid.pcsc_session.uid_of", lambda *_: "04A1B2"),
    "tag_register": ("drivers.modbus.reading.UID_DIGITS", (6,)),
    "slcan_text": ("drivers.can.slcan.frame_of", lambda line, extended: Frame(1, b"\x77", extended)),
    "socketcand_text": ("drivers.can.socketcand._frame", lambda can_id, digits: Frame(1, b"\x77")),
    "power_module_frame": (
        "drivers.can.families.infypower.InfyPower.read",
        lambda *_: Told(1, voltage_mv=10_000_000),
    ),
}


@pytest.mark.parametrize("target", SAMPLES)
def test_each_target_notices_what_is_believed_wrongly(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    TARGETS[target](SAMPLES[target])
    monkeypatch.setattr(*WRONG[target])
    with pytest.raises(AssertionError):
        TARGETS[target](SAMPLES[target])
