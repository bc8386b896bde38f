"""What the sources say of each shipped device, repeated apart from the files (R16)."""

from dataclasses import dataclass

Wire = tuple[object, ...]


@dataclass(frozen=True)
class Known:
    wires: set[Wire]
    amperes: tuple[float, float]
    pause: str
    watchdog: str | None
    fall_back: str = "unknown"
    lock: bool = True
    meter: bool = True
    """Whether it has a lifetime energy register."""


def tcp(unit: int = 255, port: int = 502) -> Wire:
    return ("tcp", port, unit)


def rtu(baud: int, form: str, unit: int = 1) -> Wire:
    """`form`: parity and stop bits."""
    return ("rtu", baud, form[0], int(form[1]), unit)


CHARGERS = {
    "abb-terra-ac": Known({tcp(1), rtu(19200, "E1")}, (6, 32), "zero", None, lock=False, meter=False),
    "abl-em4": Known({tcp()}, (6, 80), "zero", None, lock=False),
    "alfen-ng9xx": Known({tcp(1)}, (6, 80), "zero", "setpoint", lock=False),
    "alphatec": Known({rtu(9600, "N1")}, (6, 80), "zero", None, lock=False, meter=False),
    "amperfied-connect": Known({tcp()}, (6, 16), "zero", "any_request", lock=False),
    "bender-cc612-cc613": Known({tcp()}, (6, 80), "zero", "any_request", lock=False),
    "cfos-powerbrain": Known({tcp(1, 4701)}, (6, 80), "disable", None),
    "dadapower": Known({tcp(1)}, (6, 80), "disable", None),
    "daheimladen": Known({tcp()}, (6, 80), "disable", "any_request"),
    "em2go-duo": Known({tcp()}, (6, 80), "disable", "any_request"),
    "em2go-home": Known({tcp()}, (6, 80), "disable", "any_request"),
    "enovates": Known({tcp(1)}, (6, 32), "zero", None, lock=False),
    "etek-ekepc2": Known({tcp()}, (6, 32), "disable", None),
    "etrel-inch": Known({tcp(1)}, (6, 80), "zero", None, lock=False, meter=False),
    "evse-wb-din": Known({rtu(9600, "N1")}, (6, 80), "zero", None, fall_back="hold_last", lock=False, meter=False),
    "go-e": Known({tcp(1)}, (6, 32), "disable", None),
    "heidelberg-energy-control": Known({rtu(19200, "E1")}, (6, 16), "zero", "any_request", lock=False),
    "hesotec-esat": Known({tcp(1)}, (6, 80), "disable", None, meter=False),
    "innogy-ebox": Known({tcp(1)}, (6, 80), "zero", None, lock=False),
    "kathrein-kwb": Known({tcp(0)}, (6, 32), "zero", "setpoint", lock=False),
    "keba-p30": Known({tcp()}, (6, 63), "disable", "rewrite"),
    "keba-p40": Known({tcp()}, (6, 63), "zero", "rewrite", lock=False),
    "kse-wbx16": Known({rtu(9600, "E1", 100)}, (6, 16), "zero", None, lock=False),
    "mennekes-amtron-compact-2s": Known({rtu(57600, "N2", 50)}, (6, 32), "disable", "heartbeat"),
    "mennekes-hcc3": Known({tcp()}, (6, 80), "zero", None, lock=False, meter=False),
    "obo-ion": Known({rtu(19200, "E1", 101)}, (6, 80), "disable", None, meter=False),
    "phoenix-charx-sec": Known({tcp(1)}, (6, 80), "zero", None),
    "phoenix-em-cp-pp-eth": Known({tcp(180)}, (6, 80), "disable", None),
    "phoenix-ev-cc-ac1-m3-eth": Known({tcp()}, (6, 80), "disable", None),
    "phoenix-ev-ser": Known({rtu(9600, "N1")}, (6, 80), "disable", None, meter=False),
    "schneider-evlink-pro-ac": Known({tcp()}, (6, 80), "zero", None, lock=False),
    "sigenergy-evac": Known({tcp(1)}, (6, 80), "disable", None),
    "smartevse-modbus": Known({rtu(9600, "N1")}, (6, 80), "zero", None, lock=False),
    "solax-evc-g1": Known({rtu(9600, "N1", 70)}, (6, 80), "disable", None),
    "solax-evc-g2": Known({rtu(9600, "N1", 70)}, (6, 80), "disable", None),
    "sungrow-ac": Known({tcp(248)}, (6, 32), "disable", None),
    "victron-evcs": Known({tcp(1)}, (6, 32), "disable", None),
    "webasto-next": Known({tcp()}, (6, 32), "zero", "heartbeat", lock=False),
    "weidmueller-ac-smart": Known({tcp()}, (6, 80), "zero", None, lock=False),
}
METERS: dict[str, set[Wire]] = {
    "abb-b23-b24": {tcp(1), rtu(9600, "E1")},
    "acrel-adw300": {tcp(1), rtu(1200, "N1")},
    "bauer-bsm-ws36a": {rtu(19200, "E1", 42)},
    "bernecker-mpm3pm": {rtu(9600, "N1")},
    "bgetech-ds100": {rtu(9600, "N1")},
    "carlo-gavazzi-em24-e1": {tcp(1)},
    "carlo-gavazzi-em24-rtu": {rtu(9600, "N1")},
    "carlo-gavazzi-em340": {tcp(1), rtu(9600, "N1")},
    "chint-dtsu666": {rtu(9600, "N1")},
    "dzg-dvh4013": {rtu(9600, "N1")},
    "eastron-sdm120": {rtu(2400, "N1")},
    "eastron-sdm230": {rtu(9600, "N1")},
    "eastron-sdm54": {rtu(9600, "N1")},
    "eastron-sdm630-v2": {rtu(9600, "N1")},
    "eastron-sdm72d-m-v2": {rtu(9600, "N1")},
    "eltako-dsz15": {rtu(9600, "N1")},
    "finder-7m24": {rtu(19200, "N1", 33)},
    "finder-7m38": {rtu(19200, "N1", 33)},
    "hager-ecr380d": {rtu(19200, "E1")},
    "iskra-wm3m4": {rtu(115200, "N1", 33)},
    "janitza-b23": {tcp(1), rtu(9600, "N1")},
    "janitza-umg96": {tcp(1), rtu(9600, "N1")},
    "lovato-dmg610": {tcp(1), rtu(9600, "N1")},
    "orno-we-514-515": {rtu(9600, "E1")},
    "orno-we-516-517": {rtu(9600, "E1")},
    "orno-we-525-526": {rtu(9600, "N1")},
    "phoenix-eem": {tcp(1), rtu(9600, "N1")},
    "schneider-pm5xxx": {tcp(1), rtu(19200, "E1")},
    "siemens-pac1600": {tcp(1), rtu(9600, "N1")},
    "siemens-pac2200": {tcp(1)},
    "sunspec-201": {tcp(1), rtu(9600, "N1")},
    "sunspec-203": {tcp(1), rtu(9600, "N1")},
    "sunspec-211": {tcp(1), rtu(9600, "N1")},
    "sunspec-213": {tcp(1), rtu(9600, "N1")},
}
DIRECTIONLESS = {
    *("acrel-adw300", "bgetech-ds100", "dzg-dvh4013", "finder-7m24", "finder-7m38", "iskra-wm3m4"),
    *("orno-we-514-515", "schneider-pm5xxx"),
}
"""Meters whose currents get no sign: of no use where power is exported (R8)."""

SPACING_MS = {
    "alphatec": 20,
    "eastron-sdm120": 100,
    "eastron-sdm230": 100,
    "eastron-sdm54": 100,
    "eastron-sdm630-v2": 100,
    "eastron-sdm72d-m-v2": 100,
    "em2go-duo": 60,
    "em2go-home": 60,
    "evse-wb-din": 200,
    "heidelberg-energy-control": 100,
}
"""The others ask for no pause between two requests."""
