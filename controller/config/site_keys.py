"""What each key of site.toml is, in a sentence for whoever writes the file: editors show it.

`DESCRIPTIONS` has every key of every table, as it is written in the file. What a table has from another one stands
there. `EXAMPLES` are for keys whose range and default do not tell what a value looks like.
"""

from collections.abc import Mapping

from controller.config import document as doc
from controller.config.fields import Table

_MODBUS_UNIT = (
    "Modbus unit id (address) of the device, 1 to 247 on a serial wire. Without it: the device profile's."
)
_BILLED_BY = (
    'Who bills a session: "csms" (the cloud), "site" (this controller, with accounts of its own) or "free".'
)
_DAYS = "Days of the week. None means every day; a window over midnight belongs to the day on which it begins."
_LOGIN_FILE = "File that holds the password, relative to this file. Only its owner may read it: chmod 600."
_CA_FILE = "Certificate of who signs the server's, relative to this file. Without it: those that the system trusts."
_BUS = "Id of the bus that the device is on."
_EVSES = "Ids of EVSEs."

DESCRIPTIONS: Mapping[type[Table], Mapping[str, str]] = {
    doc.Document: {
        "site": "The site as a whole.",
        "web": "The local page, its API and /metrics. There is no login: let others in by a tunnel only.",
        "circuits": "The wiring: a tree with exactly one root, the grid connection.",
        "buses": "The wires to the devices: serial lines, network addresses, CAN interfaces.",
        "meters": "Energy meters beside those inside the chargers: of a circuit, or of one EVSE.",
        "power_modules": "Stacks of DC power modules that are always switched together.",
        "evses": "The charging points (EVSEs): one entry for each outlet.",
        "readers": "RFID readers beside those inside the chargers.",
        "tokens": "Cards that the site knows without any CSMS.",
        "rules": "How sessions are charged: the first rule that matches counts; without one all share alike.",
        "inputs": "Digital inputs. One that cannot be read counts as active, so that a broken wire is safe.",
        "limits": "Limits from outside: who may cap what. The lowest counts.",
        "mqtt": "The broker for limits by MQTT.",
        "csms": "The charging station management system. Left out where the site runs alone.",
    },
    doc.SiteTable: {
        "id": "Id of the site. It stands in records and MQTT topics: never change it.",
        "name": "Name of the site, for people.",
        "supply": "The network. IT, delta and split-phase networks are not supported.",
        "voltage_v": "Voltage between a phase and neutral, in volts.",
        "state_dir": "Folder for ampyard.db, which holds sessions and records. Relative paths begin at this file.",
        "billed_by": _BILLED_BY + " For EVSEs that do not say it themselves.",
        "cycle_s": "How often the currents are shared out, in seconds.",
        "slot_minutes": "Where not all cars can charge at once they take turns of this length, in minutes.",
        "time_zone": "What calendars and rules go by: a name of the IANA time zone database.",
    },
    doc.WebTable: {
        "listen": "Address and port of the local page, address:port.",
        "names": "Further host names by which the page may be called.",
    },
    doc.CircuitTable: {
        "id": "Id of the circuit.",
        "parent": "Id of the circuit that feeds this one. Only the root, the grid connection, has none.",
        "rating_a": "Rating of the fuse or breaker in amperes: one number, or [L1, L2, L3].",
        "usable_share": "Part of the rating that is shared out; the rest is for errors of measurement.",
        "max_other_load_a": "Largest load without the chargers in amperes: one number, or [L1, L2, L3]. "
        "It counts in the proof, and whenever the meter is lost.",
        "meter": "Id of the meter that measures this circuit.",
        "max_power_kw": "What all phases may carry together, in kilowatts: a contract or a transformer.",
        "unbalance_a": "How far single-phase cars may take two phases apart, in amperes (VDE-AR-N 4100: 20).",
    },
    doc.RtuTable: {
        "id": "Id of the bus.",
        "kind": "Modbus RTU on a serial line.",
        "port": "Serial port; `ls /dev/serial/by-id` shows the adapters under names that stay.",
        "baud": "Speed in bits per second. Without it: the profile's of the first device on the bus.",
        "parity": 'Parity: "N" none, "E" even, "O" odd. Without it: the profile\'s of the first device.',
        "stop_bits": "Stop bits, 1 or 2. Without it: the profile's of the first device.",
        "framing": 'How bytes travel: "rtu", or "ascii" as text. Without it: the profile\'s of the first device.',
        "data_bits": "Data bits: 8, or 7 with ascii. Without it: the profile's of the first device, else those.",
    },
    doc.TcpTable: {
        "id": "Id of the bus.",
        "kind": "Modbus over TCP: one device, or a gateway with several.",
        "host": "Address or name of the device in the network.",
        "port": "Its TCP port.",
    },
    doc.CanTable: {
        "id": "Id of the bus.",
        "kind": "CAN, for DC power modules.",
        "interface": "socketcan: of the kernel; slcan: a serial adapter; socketcand: an adapter in the network.",
        "bitrate": "Bit rate of the bus in bits per second, as the power modules' manual says.",
        "channel": "Name of the CAN interface, for socketcan and socketcand.",
        "port": "slcan: the serial port of the adapter. socketcand: its TCP port.",
        "host": "Address or name of the adapter, for socketcand.",
    },
    doc.SwitchTable: {
        "evse": "Id of the EVSE to which this contactor connects the stack.",
        "bus": "Id of the Modbus bus of the switching device.",
        "unit": "Modbus unit id of the switching device.",
        "coil": "Address of the coil that closes the contactor, counted from 0.",
        "feedback": "Address of the discrete input of its auxiliary contact, counted from 0; 1 is closed.",
    },
    doc.StackTable: {
        "id": "Id of the stack.",
        "profile": "Profile of the power modules: a file of firmware-profiles/power-modules, without its ending.",
        "bus": "Id of the CAN bus of the modules.",
        "addresses": "Addresses of the modules on their bus.",
        "evse": "Id of the EVSE that the stack is wired to, or belongs to when it is lent.",
        "switches": "Contactors of a switching matrix, one for each EVSE that the stack can be connected to. "
        "Without them it is wired for good.",
    },
    doc.MeterTable: {
        "id": "Id of the meter.",
        "profile": "Device profile: a file of firmware-profiles/meters, without .toml, or one of the site's own.",
        "bus": _BUS,
        "unit": _MODBUS_UNIT,
        "ct_ratio": "Ratio of current transformers that the meter does not know of.",
        "reversed": "Whether the meter is wired the wrong way round, so that import shows as export.",
        "period_s": "How often it is read, in seconds.",
    },
    doc.EvseTable: {
        "id": "Id of the EVSE. It stands in billing records: never give it to another one.",
        "profile": "Device profile: a file of firmware-profiles/chargers, without .toml, or one of the site's own.",
        "bus": _BUS,
        "unit": _MODBUS_UNIT,
        "outlet": "Which outlet, of a charger with several.",
        "circuit": "Id of the circuit that feeds it.",
        "phases": "How many phases it is wired to.",
        "rotation": "Which phases of the supply reach the outlet's L1, L2, L3; with one phase: which one.",
        "max_current_a": "Largest current of its line and fuse, in amperes per phase.",
        "min_current_a": "A car gets this much or nothing, in amperes. Without it: the profile's.",
        "failsafe_current_a": "What the charger falls back to when it is not spoken to, in amperes: "
        "0, or from the minimum on.",
        "watchdog_timeout_s": "Seconds of silence until the charger falls back. Without it: the profile's.",
        "power_up_current_a": "What it offers after a black-out, in amperes, as measured at commissioning. "
        "Without it: the profile's, else the maximum.",
        "largest_raise_a": "Raises come in steps of at most so many amperes, 5 s apart. Without it: in one.",
        "max_power_kw": "Largest DC power at the outlet, in kilowatts.",
        "efficiency": "DC power by AC power at the least; it makes DC power into load of the circuit.",
        "meter": "Id of the meter that bills it, if it has none inside.",
        "billed_by": _BILLED_BY + " Without it: what [site] says.",
    },
    doc.ReaderTable: {
        "id": "Id of the reader.",
        "profile": "Device profile: a file of firmware-profiles/readers, without .toml, or one of the site's own.",
        "port": "Serial port of its own.",
        "baud": "Speed in bits per second. Without it: the profile's.",
        "evses": "Ids of the EVSEs that it serves.",
        "oldest_first": "Several cars wait for a tap: true takes the one that waits longest, false asks.",
    },
    doc.TokenTable: {
        "uid": "Number of the card as the reader shows it: 4 to 10 bytes in hexadecimal.",
        "name": "Whose card it is, for people.",
        "alias": "Shown to the CSMS instead of the card number.",
        "billed_by": _BILLED_BY,
        "min_current_a": "The car of this card needs at least so many amperes.",
        "group": "What charging rules may call this card by, together with others.",
    },
    doc.RuleTable: {
        "id": "Id of the rule; the page shows it.",
        "mode": "How the session is charged. standard: equally; priority: before lower classes; "
        "deadline: an energy by a time; surplus: only what would be exported; fixed: at most a current.",
        "when": "When the rule applies: all that it names must hold. Without it: always.",
        "priority": "priority: the class; a higher one is served first. Without it: 1.",
        "weight": "standard and priority: how many shares the car gets. Without it: 1.",
        "max_current_a": "fixed: never more than so many amperes; from the EVSE's minimum on.",
        "energy_kwh": "deadline: how much energy, in kilowatt-hours.",
        "by": 'deadline: until the next such time of day, "07:00", after the car was plugged in.',
    },
    doc.WhenTable: {
        "users": "Cards, by name or by number.",
        "groups": "Groups of cards, of [[tokens]] or as the CSMS calls them.",
        "evses": _EVSES,
        "days": _DAYS,
        "from": 'From this time of day on, "18:00".',
        "to": 'Until this time of day, "07:00"; "24:00" is the end of the day.',
        "input": "Id of an input: while it is active.",
    },
    doc.RegisterTable: {
        "bus": "Id of the Modbus bus that the device is on.",
        "unit": "Modbus unit id of the device.",
        "address": "Address of the register as on the wire, counted from 0.",
        "word_order": 'Of a value in several registers: "big" has the high word first, "little" the low word.',
        "period_s": "How often it is read, in seconds.",
    },
    doc.LevelTable: {
        "table": "Which of the four tables of Modbus.",
        "type": "What the registers hold, where it is a number; 0 is not active.",
        "bit": "Look at this bit only; 0 is the lowest.",
    },
    doc.AmountTable: {
        "table": "Which table of Modbus.",
        "type": "What the registers hold.",
        "scale": "The number times this is in the unit of the limit.",
    },
    doc.InputTable: {
        "id": "Id of the input; limits and rules name it.",
        "path": "File that shows 0 or 1. An input is either a file, a line of a GPIO chip, or a register.",
        "chip": "GPIO chip, together with line.",
        "line": "Number of the line of the GPIO chip.",
        "bias": "Resistor of the GPIO line.",
        "debounce_ms": "Shorter pulses on the GPIO line are no change, in milliseconds.",
        "register": "Register or bit of a Modbus device.",
        "active": "The level that counts as active.",
        "stop_all": "Stops all charging until somebody releases it on the page. It is no emergency stop.",
    },
    doc.LimitTable: {
        "id": "Id of the limit; the page names it where it binds.",
        "source": "The only way in which the value can come.",
        "circuit": "Id of a circuit: caps all that flows there. Name exactly one of circuit, charging_of and evse.",
        "charging_of": "Id of a circuit: caps all charging below it, without the building.",
        "evse": "Id of one EVSE to cap.",
        "unit": "a: amperes per phase; w or kw: all phases together. Only en14a needs none.",
        "when_lost": "What holds before the first value and when it is not said again in time: "
        '"release" (no limit), "hold" (the last), "en14a", or a value in the unit of the limit.',
        "expires_s": "A value that is not said again within so many seconds is lost.",
        "min": "Values below this are refused.",
        "max": "Values above this are refused.",
        "log": "Keep its changes for two years. Without it: only with en14a.",
        "input": "source input: id of the input; the limit holds while it is active or cannot be read.",
        "value": 'source input: the limit, in its unit, or "en14a": dimming by section 14a EnWG.',
        "register": "source modbus: where the number stands.",
        "windows": "source calendar: when it holds, by local time. Where two overlap the lower counts.",
    },
    doc.WindowTable: {
        "value": "What may flow meanwhile, in the unit of the limit.",
        "days": _DAYS,
        "from": "Time of day when it begins.",
        "to": 'Time of day when it ends; "24:00" is the end of the day.',
    },
    doc.MqttTable: {
        "host": "Name or address of the broker.",
        "port": "Its TCP port. Without it: 1883, with TLS 8883.",
        "user": "Who we are to the broker.",
        "password_file": _LOGIN_FILE,
        "tls": "Whether to encrypt; ca_file implies it.",
        "ca_file": _CA_FILE,
    },
    doc.CsmsTable: {
        "id": "Name under which records wait for this CSMS: never change it.",
        "url": "Address of the CSMS, to which the identity of the station is appended.",
        "version": "Version of OCPP.",
        "stations": "The charging stations that the CSMS sees: the whole site as one, or one for each charger.",
        "password_file": _LOGIN_FILE,
        "ca_file": _CA_FILE,
        "lab": "Allow ws:// and no password: never outside a laboratory.",
        "initial": "First values of OCPP variables, for an empty store; `ampyard variables list` names them.",
    },
    doc.StationTable: {
        "identity": "Name by which the CSMS knows this station.",
        "evses": "Ids of its EVSEs; the OCPP number is the place in this list, from 1.",
    },
}

EXAMPLES: Mapping[type[Table], Mapping[str, tuple[object, ...]]] = {
    doc.SiteTable: {"state_dir": ("/var/lib/ampyard",), "time_zone": ("Europe/Berlin",)},
    doc.CircuitTable: {"rating_a": (63, [63, 63, 63]), "max_other_load_a": (20, [60, 60, 55])},
    doc.RtuTable: {"port": ("/dev/serial/by-id/usb-FTDI-1",), "baud": (9600, 19200)},
    doc.TcpTable: {"host": ("192.168.20.11",)},
    doc.CanTable: {"bitrate": (125_000, 250_000), "channel": ("can0",), "port": ("/dev/ttyACM0", 29536)},
    doc.StackTable: {"profile": ("infypower-v1.13",), "addresses": ([0, 1],)},
    doc.MeterTable: {"profile": ("eastron-sdm630-v2",)},
    doc.EvseTable: {"profile": ("heidelberg-energy-control", "keba-p30"), "max_current_a": (16, 32)},
    doc.ReaderTable: {"profile": ("rdm6300",), "port": ("/dev/serial/by-id/usb-reader",), "evses": (["A1", "A2"],)},
    doc.TokenTable: {"uid": ("04A1B2C3D4E5F6",), "alias": ("SITE-1",)},
    doc.RuleTable: {"by": ("07:00",), "when": ({"groups": ["staff"], "from": "18:00", "to": "07:00"},)},
    doc.WhenTable: {"days": (["mo", "tu", "we", "th", "fr"],), "from": ("18:00",), "to": ("07:00", "24:00")},
    doc.InputTable: {"path": ("/sys/class/gpio/gpio27/value",), "chip": ("/dev/gpiochip0",)},
    doc.LimitTable: {"when_lost": ("release", "hold", 63)},
    doc.WindowTable: {"from": ("17:00",), "to": ("20:00", "24:00")},
    doc.MqttTable: {"host": ("broker.example.com",), "password_file": ("mqtt.password",)},
    doc.CsmsTable: {"url": ("wss://csms.example.com/ocpp",), "password_file": ("csms.password",)},
    doc.StationTable: {"identity": ("CP-7",)},
}
