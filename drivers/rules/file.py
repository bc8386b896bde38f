"""Which sections a device profile of each kind has. PURE: a draft in, texts `key: what` out."""

from collections.abc import Iterator

from drivers.profile_schema import TARGETS, usual_bits
from drivers.rules.draft import Draft

STEERED_ONLY = ("state", "enable", "watchdog", "commission", "tag")
"""Of chargers and SECCs."""
CHARGER_ONLY = ("setpoint", "keepalive")
SECC_ONLY = ("supply",)
MODBUS_ONLY = ("tcp", "rtu", "modbus", "registers", "probe")
READER_ONLY = ("serial", "ascii")
SECTIONS = {"charger": ("state", "setpoint"), "secc": ("state", "supply", "enable")}
NEEDED = {"charger": ("current_limit",), "meter": ("current_l1",), "secc": TARGETS}
"""Sections and registers without which a profile of that kind is of no use."""
TYPES_TEXT = ("ascii-line", "keyboard")
KNOWS_BYTES = ("pn532", "twn4", "pcsc")
NO_LINE = ("keyboard", "pcsc")


def problems(draft: Draft) -> Iterator[str]:
    if draft.identity is None:
        return
    kind, driver = draft.identity.kind, draft.identity.driver
    if (driver == "modbus") == (kind == "reader"):
        yield f"driver: {driver} does not fit kind {kind}"
    foreign = {
        "charger": (*READER_ONLY, *SECC_ONLY),
        "secc": (*READER_ONLY, *CHARGER_ONLY),
        "meter": (*READER_ONLY, *STEERED_ONLY, *CHARGER_ONLY, *SECC_ONLY),
        "reader": (*MODBUS_ONLY, *STEERED_ONLY, *CHARGER_ONLY, *SECC_ONLY),
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
    if "serial" not in draft.given and driver not in NO_LINE:
        yield "serial: missing"
    if "serial" in draft.given and driver in NO_LINE:
        yield f"serial: is not for driver {driver}"
    if driver in TYPES_TEXT and "ascii" not in draft.given:
        yield "ascii: missing"
    if driver not in TYPES_TEXT and "ascii" in draft.given:
        yield f"ascii: is not for driver {driver}"


def _modbus(draft: Draft, kind: str) -> Iterator[str]:
    if not {"tcp", "rtu"} & draft.given:
        yield "rtu: missing, and tcp too"
    if draft.rtu is not None and draft.rtu.framing == "rtu" and draft.rtu.bits != usual_bits("rtu"):
        yield 'rtu.data_bits: must be 8, unless framing = "ascii"'
    for needed in NEEDED[kind]:
        if needed not in draft.named:
            yield f"registers.{needed}: missing"
    if kind == "meter" and not {"active_power_total", "active_power_l1"} & draft.named:
        yield "registers.active_power_total: missing, and active_power_l1 too"
    for section in SECTIONS.get(kind, ()):
        if section not in draft.given:
            yield f"{section}: missing"
