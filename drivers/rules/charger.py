"""Rules of what a charger's or an SECC's profile says of its behaviour. PURE: a draft in, texts `key: what` out."""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from drivers.profile_schema import CurrentSetpoint, KeepAlive, Register, StateMap, Watchdog
from drivers.rules.draft import Draft
from drivers.rules.registers import carries, is_raw, polling


def problems(draft: Draft) -> Iterator[str]:
    yield from _state(draft)
    yield from _setpoint(draft)
    yield from _enable(draft)
    yield from _watchdog(draft)
    yield from _failsafe(draft)
    yield from _keepalive(draft)
    yield from _commission(draft)
    yield from _tag(draft)
    yield from _unlock(draft)


def _refer(draft: Draft, key: str, name: str | None) -> Iterator[str]:
    if name is not None and name not in draft.named:
        yield f"{key}: no register {name}"


def _state(draft: Draft) -> Iterator[str]:
    state = draft.state
    if state is None:
        return
    yield from _refer(draft, "state.register", state.register_)
    yield from _refer(draft, "state.plug_register", state.plug_register)
    yield from polling(draft, state.register_, needed=True)
    register = draft.registers.get(state.register_)
    if register is not None:
        yield from _state_keys(state, register)
    if not state.values:
        yield "state.values: empty"
    yield from _plug(draft, state)


def _plug(draft: Draft, state: StateMap) -> Iterator[str]:
    if "plug" in state.values.values() and state.plug_register is None:
        yield "state.plug_register: missing, a state says `plug`"
    if (state.plug_register is None) != (state.plugged is None and state.plugged_from is None):
        yield "state.plugged: it, or plugged_from, goes together with plug_register"
    plug = draft.registers.get(state.plug_register or "")
    if plug is None:
        return
    yield from polling(draft, plug.name, needed=True)
    for raw in state.plugged or ():
        if not carries(plug, raw):
            yield f"state.plugged: {raw} is no raw value of {plug.name}"


def _state_keys(state: StateMap, register: Register) -> Iterator[str]:
    if register.is_text:
        yield from (f"state.values.{text}: has outer spaces" for text in state.values if text != text.strip())
        return
    for text in state.values:
        if not is_raw(register, text):
            yield f"state.values.{text}: is no raw value of {register.name}"


def _setpoint(draft: Draft) -> Iterator[str]:
    setpoint = draft.setpoint
    if setpoint is None:
        return
    if setpoint.min_a > setpoint.max_a:
        yield f"setpoint.min_a: {setpoint.min_a} is above max_a {setpoint.max_a}"
    for key in ("min_a", "max_a", "step_a", "power_up_a"):
        amperes = getattr(setpoint, key)
        if amperes is not None and amperes * 1000 % 1:
            yield f"setpoint.{key}: {amperes} is no whole number of mA"
    yield from _pause(draft, setpoint)
    limit = draft.registers.get("current_limit")
    if limit is not None:
        yield from _limit(setpoint, limit)


def _pause(draft: Draft, setpoint: CurrentSetpoint) -> Iterator[str]:
    limit = draft.registers.get("current_limit")
    if setpoint.pause == "zero" and limit is not None and limit.low is not None and limit.low > 0:
        yield f"setpoint.pause: 0 A is never written, current_limit.low is {limit.low}"
    if isinstance(setpoint.pause, Decimal) and not 0 < setpoint.pause < setpoint.min_a:
        yield f"setpoint.pause: {setpoint.pause} must lie between 0 and min_a"
    if setpoint.pause == "disable" and "enable" not in draft.given:
        yield "setpoint.pause: `disable` needs the section enable"


def _limit(setpoint: CurrentSetpoint, limit: Register) -> Iterator[str]:
    if not limit.writable:
        yield "registers.current_limit.access: must be writable"
    amperes = {"min_a": setpoint.min_a, "max_a": setpoint.max_a, "step_a": setpoint.step_a}
    if isinstance(setpoint.pause, Decimal):
        amperes["pause"] = setpoint.pause
    for key, value in amperes.items():
        raw = Fraction(value) / limit.scale
        if limit.is_integer and raw % 1:
            yield f"setpoint.{key}: {value} is not on the register's grid of {limit.scale}"
        elif limit.is_integer and not carries(limit, int(raw)):
            yield f"setpoint.{key}: {value} does not fit type {limit.type}"


def _enable(draft: Draft) -> Iterator[str]:
    enable = draft.enable
    if enable is None:
        return
    yield from _refer(draft, "enable.register", enable.register_)
    yield from _refer(draft, "enable.readback", enable.readback)
    yield from polling(draft, enable.register_, needed=False)
    yield from polling(draft, enable.readback, needed=False)
    if enable.on == enable.off:
        yield "enable.off: equals enable.on"
    register = draft.registers.get(enable.register_)
    if register is not None:
        if not register.writable:
            yield f"enable.register: {enable.register_} is not writable"
        for key, raw in (("on", enable.on), ("off", enable.off)):
            if not carries(register, raw):
                yield f"enable.{key}: {raw} is no raw value of {enable.register_}"
    readback = draft.registers.get(enable.readback or "")
    if readback is not None and not readback.readable:
        yield f"enable.readback: {enable.readback} cannot be read"


def _watchdog(draft: Draft) -> Iterator[str]:
    watchdog = draft.watchdog
    if watchdog is None:
        return
    low, high = watchdog.timeout_min_s, watchdog.timeout_max_s
    if low is not None and high is not None and low > high:
        yield f"watchdog.timeout_min_s: {low} is above timeout_max_s {high}"
    if watchdog.fixed and watchdog.timeout_s is None:
        yield "watchdog.timeout_s: missing, the timeout is fixed"
    for name in _written_by(watchdog):
        register = draft.registers.get(name)
        if name not in draft.named or (register is not None and not register.writable):
            yield f"watchdog.method: {watchdog.method} needs a writable register {name}"
    if watchdog.method == "heartbeat" and watchdog.value is None:
        yield "watchdog.value: missing, it has no default: what is written to heartbeat as a sign of life"
    heartbeat = draft.registers.get("heartbeat")
    if heartbeat is not None and watchdog.value is not None and not carries(heartbeat, watchdog.value):
        yield f"watchdog.value: {watchdog.value} is no raw value of heartbeat"


def _failsafe(draft: Draft) -> Iterator[str]:
    register = draft.registers.get("failsafe_current")
    if draft.watchdog is None or draft.watchdog.fixed or register is None or register.writable:
        return
    yield (
        "registers.failsafe_current.access: must be writable where the timeout is; of a watchdog that is set in "
        "the device only, say watchdog.fixed = true"
    )


def _written_by(watchdog: Watchdog) -> Iterator[str]:
    if watchdog.method == "heartbeat":
        yield "heartbeat"
    if watchdog.method == "rewrite" or not watchdog.fixed:
        yield "comm_timeout"


def _keepalive(draft: Draft) -> Iterator[str]:
    form = draft.keepalive
    if form is None:
        return
    yield from _refer(draft, "keepalive.register", form.register_)
    register = draft.registers.get(form.register_)
    if register is not None:
        yield from _kept_alive(form, register)


def _kept_alive(form: KeepAlive, register: Register) -> Iterator[str]:
    if not register.writable:
        yield f"keepalive.register: {form.register_} is not writable"
    if not carries(register, form.value):
        yield f"keepalive.value: {form.value} is no raw value of {form.register_}"


def _commission(draft: Draft) -> Iterator[str]:
    for name, raw in draft.commission.items():
        yield from _refer(draft, f"commission.{name}", name)
        register = draft.registers.get(name)
        if register is None:
            continue
        if not (register.readable and register.writable):
            yield f"commission.{name}: must be readable and writable"
        elif not carries(register, raw):
            yield f"commission.{name}: {raw} does not fit type {register.type}"


def _tag(draft: Draft) -> Iterator[str]:
    if draft.tag is not None and "rfid_tag" not in draft.named:
        yield "tag: there is no register rfid_tag"
    register = draft.registers.get("rfid_tag")
    if register is not None and not register.is_text and register.type not in ("u32", "u64"):
        yield f"registers.rfid_tag.type: {register.type} holds no UID"
    modbus = draft.modbus
    if modbus is not None and modbus.outlets > 1 and "rfid_tag" in modbus.global_registers:
        yield "modbus.global_registers: rfid_tag of several outlets would be a tap at each of them"


def _unlock(draft: Draft) -> Iterator[str]:
    register = draft.registers.get("unlock")
    if register is None or draft.identity is None or draft.identity.kind not in ("charger", "secc"):
        return
    if not register.writable:
        yield "registers.unlock.access: must be writable"
    if not register.is_integer and register.type != "bool":
        yield f"registers.unlock.type: {register.type} is no whole number"
    if len(register.values or ()) != 1:
        yield "registers.unlock.values: must have one entry, the value that releases the plug"
