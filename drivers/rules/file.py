"""Which sections a device profile of each kind has. PURE: a draft in, texts `key: what` out."""

from collections.abc import Iterator

from drivers.rules.draft import Draft

CHARGER_ONLY = ("state", "setpoint", "enable", "watchdog", "keepalive", "commission", "tag")
MODBUS_ONLY = ("tcp", "rtu", "modbus", "registers", "probe")
READER_ONLY = ("serial", "ascii")
TYPES_TEXT = ("ascii-line", "keyboard")
KNOWS_BYTES = ("pn532", "twn4")


def problems(draft: Draft) -> Iterator[str]:
    if draft.identity is None:
        return
    kind, driver = draft.identity.kind, draft.identity.driver
    if (driver == "modbus") == (kind == "reader"):
        yield f"driver: {driver} does not fit kind {kind}"
    foreign = {
        "charger": READER_ONLY,
        "meter": (*READER_ONLY, *CHARGER_ONLY),
        "reader": (*MODBUS_ONLY, *CHARGER_ONLY),
    }
    for section in foreign[kind]:
        if section in draft.given:
            yield f"{section}: is not for kind {kind}"
    if draft.identity.repeat_s is not None and kind != "reader":
        yield f"repeat_s: is not for kind {kind}"
    if draft.identity.reverse_bytes and driver not in KNOWS_BYTES:
        yield f"reverse_bytes: is not for driver {driver}"
    if kind == "reader":
        yield from _reader(draft, driver)
    else:
        yield from _modbus(draft, kind)


def _reader(draft: Draft, driver: str) -> Iterator[str]:
    if "serial" not in draft.given and driver != "keyboard":
        yield "serial: missing"
    if "serial" in draft.given and driver == "keyboard":
        yield f"serial: is not for driver {driver}"
    if driver in TYPES_TEXT and "ascii" not in draft.given:
        yield "ascii: missing"
    if driver not in TYPES_TEXT and "ascii" in draft.given:
        yield f"ascii: is not for driver {driver}"


def _modbus(draft: Draft, kind: str) -> Iterator[str]:
    if not {"tcp", "rtu"} & draft.given:
        yield "rtu: missing, and tcp too"
    needed = "current_limit" if kind == "charger" else "current_l1"
    if needed not in draft.named:
        yield f"registers.{needed}: missing"
    if kind == "meter" and not {"active_power_total", "active_power_l1"} & draft.named:
        yield "registers.active_power_total: missing, and active_power_l1 too"
    if kind == "charger":
        yield from (f"{section}: missing" for section in ("state", "setpoint") if section not in draft.given)
