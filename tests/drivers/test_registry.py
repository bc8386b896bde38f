from drivers.modbus.bus import ModbusBus
from drivers.registry import DRIVERS


def test_every_driver_of_the_profiles_schema_has_a_component() -> None:
    assert set(DRIVERS) == {"modbus", "rdm6300", "ascii-line", "pn532", "twn4", "keyboard"}
    assert DRIVERS["modbus"] is ModbusBus
