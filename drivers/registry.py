"""Driver name of a device profile -> the component that speaks to such devices."""

from collections.abc import Mapping

from drivers.modbus.bus import ModbusBus
from drivers.rfid.keyboard import KeyboardReader
from drivers.rfid.reader import SerialReader

DRIVERS: Mapping[str, type[ModbusBus] | type[SerialReader] | type[KeyboardReader]] = {
    "modbus": ModbusBus,
    "rdm6300": SerialReader,
    "ascii-line": SerialReader,
    "pn532": SerialReader,
    "twn4": SerialReader,
    "keyboard": KeyboardReader,
}
