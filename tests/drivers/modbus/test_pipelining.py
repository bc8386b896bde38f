"""Several requests at once go only to a device whose profile allows it, and never over a serial line."""

from dataclasses import replace
from typing import Any

import pytest

from drivers.modbus.bus import ModbusBus
from drivers.modbus.rtu import RtuLink
from drivers.profile import DeviceProfile, builtin_folder, catalogue
from drivers.setups import Endpoint, Line


def with_pipeline(profile: DeviceProfile, pipeline: int) -> DeviceProfile:
    return replace(profile, modbus=profile.modbus.model_copy(update={"pipeline": pipeline}))


@pytest.mark.parametrize("pipeline", [1, 3])
async def test_the_profile_says_how_many_requests_a_unit_takes(
    charger: Any, meter_profile: DeviceProfile, new_evse: Any, new_meter: Any, pipeline: int
) -> None:
    bus = ModbusBus("b", Endpoint("127.0.0.1", 502), lambda _: None)
    bus.add_evse(new_evse(unit=1), with_pipeline(charger(), pipeline))
    bus.add_meter(new_meter(unit=5), with_pipeline(meter_profile, pipeline))
    assert {unit.depth for unit in bus._scheduler.units.values()} == {pipeline}


def test_a_serial_line_carries_one_request_at_a_time() -> None:
    assert RtuLink(Line("p", 9600, "N", 1)).most == 1
    assert RtuLink(Line("p", 9600, "E", 1, 7, "ascii")).most == 1


def test_no_shipped_device_is_known_to_take_several() -> None:
    several = [one.id for one in catalogue(builtin_folder()).values() if one.modbus.pipeline > 1]
    assert several == []
