"""Error frames of the Linux kernel."""

from hypothesis import given
from hypothesis import strategies as st

from drivers.can.trouble import ErrorState, Trouble, trouble_of


def test_bus_off_restart_and_no_acknowledgement() -> None:
    assert trouble_of(0x040, bytes(8)).state is ErrorState.BUS_OFF
    assert trouble_of(0x100, bytes(8)).state is ErrorState.ACTIVE
    assert trouble_of(0x020, bytes(8)) == Trouble(no_ack=True)


def test_the_controller_tells_its_state_and_its_counters() -> None:
    passive = trouble_of(0x204, bytes((0, 0x20, 0, 0, 0, 0, 136, 3)))
    assert passive == Trouble(state=ErrorState.PASSIVE, sending_errors=136, receiving_errors=3)
    assert trouble_of(0x004, bytes((0, 0x04, 0, 0, 0, 0, 0, 0))).state is ErrorState.WARNING
    assert trouble_of(0x004, bytes((0, 0x40, 0, 0, 0, 0, 0, 0))).state is ErrorState.ACTIVE
    assert trouble_of(0x004, bytes((0, 0x01, 0, 0, 0, 0, 0, 0))) == Trouble(overflow=True)


def test_without_data_nothing_is_guessed() -> None:
    assert trouble_of(0x204, b"") == Trouble()


@given(classes=st.integers(0, 0x1FFFFFFF), data=st.binary(max_size=8))
def test_any_error_frame_is_read(classes: int, data: bytes) -> None:
    assert trouble_of(classes, data).state in {None, *ErrorState}
