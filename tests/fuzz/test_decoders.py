from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus import pdu
from drivers.modbus.frames import crc
from tests.fuzz.decoders import TARGETS

GOOD = bytes([2, 3, 4, 1, 2, 3, 4])
REQUEST = bytes([0, 1, 1, 0])
"""As the targets read it: holding registers of unit 2, two of them."""

bits = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([GOOD + crc(GOOD), b"\x00\x01\x00\x00\x00\x07" + GOOD, b"\x0204001B58\x03", b"\x02", b"\r\n"]),
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
