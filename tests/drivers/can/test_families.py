"""Frames of the four families against frames put together by hand from the fact sheets."""

import contextlib
import functools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import DeviceError, Fault
from drivers.can.families.choice import family_of
from drivers.can.families.told import Family, ModuleLimits, Order, Told
from drivers.can.frame import Frame
from tests.drivers.can.rig import shipped, shipped_ids


@functools.cache
def family(profile_id: str, group: int | None = None) -> Family:
    model = shipped(profile_id)
    return family_of(model.profile, model.frames, group)


def sent(frames: tuple[Frame, ...]) -> list[tuple[int, str]]:
    assert all(frame.extended and frame.possible for frame in frames)
    return [(frame.id, frame.data.hex()) for frame in frames]


def told(profile_id: str, can_id: int, data: str) -> Told | None:
    return family(profile_id).read(Frame(can_id, bytes.fromhex(data)))


INFY, UU, SCU, HUAWEI = "infypower-v1.13", "uugreenpower-ur1000x0", "scu-dpm1000", "huawei-r100040gx"
ORDER = Order(400_000, 50_000, 2)


def test_infypower_is_ordered_with_the_identifiers_of_the_fact_sheet() -> None:
    infy = family(INFY)
    assert sent(infy.output(0, ORDER)) == [(0x029C00F0, "00061a800000c350")]
    assert sent(infy.switch(0, on=True)) == [(0x029A00F0, "0000000000000000")]
    assert sent(infy.switch(5, on=False)) == [(0x029A05F0, "0100000000000000")]
    assert sent(infy.poll(0))[0] == (0x028300F0, "0000000000000000")
    assert sent(infy.poll(0x3B))[1] == (0x02843BF0, "0000000000000000")
    assert sent(infy.describe(1)) == [(0x028A01F0, "0000000000000000")]
    assert infy.find() == ()
    assert infy.all_off() == ()


def test_infypower_counts_and_switches_off_a_group() -> None:
    infy = family(INFY, group=1)
    assert sent(infy.find()) == [(0x02C201F0, "0000000000000000")]
    assert sent(infy.all_off()) == [(0x02DA01F0, "0100000000000000")]
    assert infy.read(Frame(0x02C2F000, bytes.fromhex("0000040000000000"))) == Told(0, count=4)


def test_infypower_is_read() -> None:
    # 400.5 V and 12.25 A as IEEE 754 singles.
    assert told(INFY, 0x0283F003, "43c8400041440000") == Told(3, voltage_mv=400_500, current_ma=12_250)
    # Byte 5 bit 1, byte 6 bits 0 and 4, byte 7 bit 0.
    bits = {"module_id_duplicate", "dc_side_off", "over_temperature", "output_short_circuit"}
    assert told(INFY, 0x0284F003, "0000000000021101") == Told(3, status=frozenset(bits))
    # 1000 V, 150 V, 100.0 A, 30 kW.
    limits = ModuleLimits(150_000, 1_000_000, 100_000, 30_000)
    assert told(INFY, 0x028AF003, "03e8009603e80bb8") == Told(3, limits=limits)
    assert told(INFY, 0x0A9CF003, "0000000000000000") == Told(3, refused="command invalid")
    assert told(INFY, 0x1E9CF003, "0000000000000000") == Told(3, refused="start-up in progress")


@pytest.mark.parametrize(
    ("can_id", "data"),
    [
        (0x0283F003, "43c84000414400"),  # seven bytes
        (0x0283F103, "43c8400041440000"),  # to another controller
        (0x0243F003, "43c8400041440000"),  # another device number
        (0x0283F03C, "43c8400041440000"),  # from an address that no module has
    ],
)
def test_infypower_frames_for_others_are_nothing(can_id: int, data: str) -> None:
    assert told(INFY, can_id, data) is None


@pytest.mark.parametrize(
    "data",
    ["7fc0000041440000", "7f80000041440000", "43c84000ff800000", "44fa000041440000", "43c8400043960000"],
    ids=["NaN V", "inf V", "-inf A", "2000 V", "300 A"],
)
def test_impossible_numbers_are_an_error(data: str) -> None:
    with pytest.raises(DeviceError) as caught:
        told(INFY, 0x0283F003, data)
    assert caught.value.fault is Fault.DATA


def test_uugreen_is_ordered() -> None:
    uu = family(UU)
    assert sent(uu.output(1, ORDER)) == [(0x02204000, "0002000000061a80"), (0x02204000, "000300000000c350")]
    assert sent(uu.switch(1, on=True)) == [(0x02204000, "0004000000000000")]
    assert sent(uu.all_off()) == [(0x02200000, "0004000000000001")]
    assert sent(uu.poll(2)) == [(0x02208000, "0262000000000000"), (0x02208000, "022f000000000000")]
    assert sent(uu.prepare(1)) == [(0x02204000, "005f000000000000")]
    assert sent(family(UU, group=3).find()) == [(0x02200000, "3205000000000000")]


def test_uugreen_is_read() -> None:
    # Address 2, production date 3, serial 0x15A.
    here = 0x02208000 | 3 << 9 | 0x15A
    identity = 3 << 9 | 0x15A
    assert told(UU, here, "0362000000061a80") == Told(2, voltage_mv=400_000, identity=identity)
    assert told(UU, here, "032f00000000c350") == Told(2, current_ma=50_000, identity=identity)
    assert told(UU, here, "0104000000000001") == Told(2, acknowledged="switch", identity=identity)
    assert told(UU, here, "010300000000c350") == Told(2, acknowledged="output", identity=identity)
    assert told(UU, here, "0102000000061a80") == Told(2, identity=identity)
    refused = told(UU, here, "0103000200000000")
    assert refused is not None
    assert refused.refused == "command 3: result 2"


@pytest.mark.parametrize("can_id", [0x02200000, 0x04204000, 0x02404000])
def test_uugreen_frames_of_others_are_nothing(can_id: int) -> None:
    assert told(UU, can_id, "0362000000061a80") is None
    assert told(UU, 0x02204000, "0262000000000000") is None, "our own request"


def test_scu_is_ordered() -> None:
    scu = family(SCU)
    # 0x060 << 20, point to point, destination 1, source 0xF0, last bits 1.
    assert sent(scu.output(1, ORDER)) == [(0x06080F83, "03f0002143c80000"), (0x06080F83, "03f000223f000000")]
    assert sent(scu.switch(1, on=True)) == [(0x06080F83, "00f0008000000000"), (0x06080F83, "03f0003000000000")]
    assert sent(scu.switch(1, on=False)) == [(0x06080F83, "00f0808000000000"), (0x06080F83, "03f0003000000001")]
    asked = [data for _, data in sent(scu.poll(1))]
    assert asked == ["01f0000100000000", "01f0000700000000", "01f0004000000000"]


def test_scu_is_read() -> None:
    here = 0x060F8003 | 2 << 3
    assert told(SCU, here, "41f0000143c84000") == Told(2, voltage_mv=400_500)
    assert told(SCU, here, "41f0000741440000") == Told(2, current_ma=12_250)
    # Bits 22 and 28, and bit 2 in the last byte.
    bits = frozenset({"dcdc_off", "dcdc_short_circuit", "fuse_burn_out"})
    assert told(SCU, here, "41f0004010400004") == Told(2, status=bits)
    assert told(SCU, here, "43f0002200000000") == Told(2, acknowledged="output")
    assert told(SCU, here, "43f0003000000000") == Told(2, acknowledged="switch")
    assert told(SCU, here, "c3f2002200000000") == Told(2, refused="invalid command")
    assert told(SCU, here | 4, "41f0000143c84000") is None, "a continued frame"


def test_huawei_is_ordered_with_the_identifiers_of_the_fact_sheet() -> None:
    huawei = family(HUAWEI)
    # 400 V and 50 A in 1024ths: 409600 and 51200.
    assert sent(huawei.output(1, ORDER)) == [(0x068180FC, "0100000000064000"), (0x068180FC, "010f00020000c800")]
    assert sent(huawei.switch(1, on=False)) == [(0x068180FC, "0132000100000000")]
    assert sent(huawei.all_off()) == [(0x068080FC, "0132000100000000")]
    assert sent(huawei.prepare(1)) == [(0x068181FC, "014a000100000000")]
    assert sent(huawei.find()) == [(0x068040FC, "000000aa00400000")]
    assert sent(huawei.poll(1)) == [(0x068140FC, "000000aa00410000")]


def test_huawei_is_read() -> None:
    # 12.2 A high, 400.5 V low, in tenths.
    assert told(HUAWEI, 0x0682407C, "01910000007a0fa5") == Told(2, voltage_mv=400_500, current_ma=12_200)
    assert told(HUAWEI, 0x0682407D, "0183000000000021") == Told(2, status=frozenset({"alarm_bit_0", "alarm_bit_5"}))
    assert told(HUAWEI, 0x0682807C, "010f00020000c800") == Told(2, acknowledged="output")
    assert told(HUAWEI, 0x0682807C, "0132000100000000") == Told(2, acknowledged="switch")
    assert told(HUAWEI, 0x0682807C, "210f00020000c800") == Told(2, refused="invalid command")
    assert told(HUAWEI, 0x068240FC, "01910000007a0fa5") is None, "another controller"
    assert told(HUAWEI, 0x0680407C, "01910000007a0fa5") is None, "no module"


LIMITS = {name: shipped(name).profile.limits for name in shipped_ids()}
ADDRESSES = {name: shipped(name).profile.address for name in shipped_ids()}
IDS = st.one_of(
    st.integers(0, 0x1FFFFFFF),
    st.sampled_from(
        [0x0283F000, 0x0284F000, 0x028AF000, 0x02C2F000, 0x02204000, 0x060F8003, 0x0681407C, 0x0681807C]
    ),
    st.builds(
        lambda base, low: base | low,
        st.sampled_from([0x0283F000, 0x02200000, 0x06800000]),
        st.integers(0, 0x1FFFFF),
    ),
)


@given(can_id=IDS, data=st.binary(max_size=8), name=st.sampled_from(shipped_ids()))
def test_any_frame_gives_a_value_an_error_or_nothing(can_id: int, data: bytes, name: str) -> None:
    limits = LIMITS[name]
    result = None
    with contextlib.suppress(DeviceError):
        result = family(name, 1).read(Frame(can_id, data))
    if result is not None:
        assert 0 <= result.address <= 255
        assert abs(result.voltage_mv or 0) <= 1.2 * limits.voltage_max_mv
        assert abs(result.current_ma or 0) <= 1.5 * limits.current_ma


@given(
    name=st.sampled_from(shipped_ids()),
    place=st.integers(0, 255),
    mv=st.integers(0, 1_000_000),
    ma=st.integers(0, 133_000),
    sharing=st.integers(1, 60),
)
def test_any_order_makes_frames_that_are_possible(name: str, place: int, mv: int, ma: int, sharing: int) -> None:
    bounds = ADDRESSES[name]
    address = bounds.first + place % (bounds.last - bounds.first + 1)
    each = family(name, 1)
    frames = each.output(address, Order(mv, ma, sharing)) + each.switch(address, on=True) + each.poll(address)
    assert all(frame.possible and len(frame.data) == 8 for frame in frames)
    assert not any(each.read(frame) for frame in frames), "our own orders are no answers"


@given(mv=st.integers(0, 1_000_000), ma=st.integers(0, 133_000))
def test_a_setpoint_is_never_more_than_was_asked_for(mv: int, ma: int) -> None:
    order = Order(mv, ma)
    volts, amperes = (struct.unpack(">I", frame.data[4:])[0] for frame in family(HUAWEI).output(1, order))
    assert volts / 1024 <= mv / 1000 + 0.0005
    assert amperes / 1024 <= ma / 1000
