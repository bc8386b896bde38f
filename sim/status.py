"""Which raw value a model shows for a pilot state."""

from collections.abc import Sequence

from sim.chargers import ChargeController
from sim.device_profile import DeviceProfile, Register, StateMap

CLOSED = ("not ", "no perm", "lock")
PAUSED = ("interrupt", "paus", "suspend")
STAND_IN = {"F": "FEB", "E": "EFB", "D": "DC"}
"""Letters to try where a model cannot say one."""


def status_value(profile: DeviceProfile, register: Register, controller: ChargeController) -> int | str:
    """The raw value of the status register, as a number or as the text of a string register."""
    state = profile.state
    if state is None:
        return 0
    letter = controller.letter
    for tried in STAND_IN.get(letter, letter):
        raws = _raws(state, tried)
        if raws:
            raw = _choose(register, raws, controller)
            return raw if register.type in ("string", "bytes") else int(raw)
    return 0


def plug_value(profile: DeviceProfile, register: Register, controller: ChargeController) -> int:
    """The raw value of the register that tells whether an EV is there."""
    state = profile.state
    plugged = state.plugged if state is not None else ()
    if controller.outlet.ev is not None and state is not None:
        return max(plugged, default=state.plugged_from or 0)
    absent = [raw for raw in register.values if raw not in plugged]
    return min(absent, default=0)


def _raws(state: StateMap, letter: str) -> list[str]:
    """Raw values for a letter; A and B may be told by a register of their own."""
    raws = [raw for raw, meaning in state.raw.items() if meaning == letter]
    if letter in "AB":
        raws += [raw for raw, meaning in state.raw.items() if meaning == "plug"]
    return raws


def _choose(register: Register, raws: Sequence[str], controller: ChargeController) -> str:
    """Among several raw values of one letter, the one that suits release and history."""
    offered = controller.offered_a > 0
    digit = [raw for raw in raws if raw.endswith("2" if offered else "1")]
    if register.type == "string" and digit:
        return digit[0]
    texts = {raw: register.values.get(int(raw), "").lower() for raw in raws if raw.isdigit()}
    shut = [raw for raw in raws if any(word in texts.get(raw, "") for word in CLOSED)]
    open_ = [raw for raw in raws if raw not in shut]
    paused = [raw for raw in open_ if any(word in texts.get(raw, "") for word in PAUSED)]
    if not offered or controller.letter == "A":
        return (shut or list(raws))[0]
    if controller.letter == "B" and paused and controller.outlet.session_wh > 0:
        return paused[0]
    return (open_ or list(raws))[0]
