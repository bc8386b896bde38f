"""The bodies of the control API's requests. Unknown keys are errors."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Amps = Annotated[float, Field(ge=0, le=500)]
Seconds = Annotated[float, Field(ge=0, le=1e7)]
Rate = Annotated[float, Field(ge=0, le=1)]
ModbusKind = Literal["silent", "crc", "exception", "garbage", "slow", "late", "echo", "split", "none"]
CanKind = Literal["silent", "bus_off", "error_frames", "noise", "garbage", "disconnect", "none"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Nothing(Strict):
    pass


class Anything(BaseModel):
    model_config = ConfigDict(extra="allow")


class PlugIn(Strict):
    """`soc` is a share up to 1 and a percentage above it. `rotation`: conductors that the EV loads.

    At a DC outlet `max_a` [200] is of its battery, whose open voltage is `battery_v` [400] at that charge;
    `ramp_s` is from nothing to `max_a` and `demand_s` from one demand of current to the next.
    """

    max_a: Annotated[float, Field(ge=1, le=1000)] | None = None
    battery_v: Annotated[float, Field(ge=150, le=1000)] | None = None
    demand_s: Annotated[float, Field(ge=0.1, le=0.5)] | None = None
    phases: Literal[1, 2, 3] | None = None
    rotation: str | None = None
    soc: Annotated[float, Field(ge=0, le=100)] = 0.2
    capacity_wh: Annotated[float, Field(gt=0, le=1e7)] = 60_000
    ramp_s: Seconds | None = None
    delay_s: Seconds | None = None
    evccid: str | None = None


class EvMood(Strict):
    """`draw_a` and `draw_w` are the most that the EV takes of what is offered; null lifts that.

    `ignores_limit` and `overdraw_ratio`: it takes, or at DC asks for, more than it may. `fault` at DC is an
    emergency stop: its contactors open a second later, whatever flows then.
    """

    state: Literal["ready", "suspended", "fault"] | None = None
    draw_a: Amps | None = None
    draw_w: Annotated[float, Field(ge=0, le=1e6)] | None = None
    overdraw_ratio: Annotated[float, Field(ge=0, le=10)] | None = None
    ignores_limit: bool | None = None


class Charger(Strict):
    """`welded`: the contactor towards the EV stays closed. A DC outlet has no setpoint that could be stuck."""

    reboot: bool = False
    stuck_setpoint: bool | None = None
    welded: bool | None = None
    latency_s: Seconds | None = None
    reject_writes: Rate | None = None
    watchdog: bool | None = None


class ChargerError(BaseModel):
    """`raise` is a keyword of Python, so the field has another name inside."""

    model_config = ConfigDict(extra="forbid")
    kind: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9]{1,49}$")]
    raised: Annotated[bool, Field(alias="raise")]


class Tap(Strict):
    """Either a UID in hex, separators allowed, or raw bytes in hex."""

    uid: str | None = None
    raw: str | None = None
    hold_ms: Annotated[float, Field(ge=0, le=600_000)] | None = None
    repeat: Annotated[int, Field(ge=1, le=100)] = 1
    request_id: str | None = None

    @property
    def plain_uid(self) -> str:
        return "".join(digit for digit in self.uid or "" if digit not in " :-").upper()

    @field_validator("raw")
    @classmethod
    def _hex(cls, raw: str | None) -> str | None:
        if raw is not None:
            bytes.fromhex(raw)
        return raw

    @model_validator(mode="after")
    def _one_of_both(self) -> "Tap":
        if (self.uid is None) == (self.raw is None):
            raise ValueError("either uid or raw")
        if self.uid is not None:
            bytes.fromhex(self.plain_uid)
        return self


class BusFault(Strict):
    """`device` is an EVSE's or meter's id, or a unit number; `none` ends all faults of the bus.

    On a CAN bus `silent` loses every frame and says nothing, `bus_off` says so, `noise` loses a share (`rate`)
    of the frames with an error frame each, `error_frames` come without loss, at `rate` of 20 a second; `garbage`
    puts bytes on the controller's connection that are no message, `disconnect` cuts it: both happen once.
    """

    kind: ModbusKind | CanKind
    device: str | int | None = None
    rate: Rate = 1.0
    seconds: Seconds | None = None


class MeterChange(Strict):
    """`power_w` null shows the truth again."""

    energy_wh: Annotated[float, Field(ge=0, le=1e15)] | None = None
    power_w: Annotated[float, Field(ge=-1e7, le=1e7)] | None = None
    freeze: bool | None = None
    rollover: bool = False
    step_w: Annotated[float, Field(ge=-1e7, le=1e7)] | None = None


Load1 = Annotated[float, Field(ge=-1e4, le=1e4)]


class Load(Strict):
    circuit: str
    l1_a: Load1 | None = None
    l2_a: Load1 | None = None
    l3_a: Load1 | None = None


class Power(Strict):
    on: bool


class Input(Strict):
    active: bool
    broken: bool | None = None


class PanelWords(Strict):
    table: Literal["holding", "input", "coil", "discrete"] = "holding"
    address: Annotated[int, Field(ge=0, le=65535)]
    words: Annotated[list[Annotated[int, Field(ge=0, le=65535)]], Field(min_length=1, max_length=125)]


class Secc(Strict):
    """Faults of a DC outlet's communication controller; null and false end them.

    `target_v`, `target_a`: it asks for that instead of what the EV wants, over any limit. `insulation_ok` false:
    the next test fails, and a running session ends. `contactor`: the outlet's contactors weld, never close, or
    say by their auxiliary contact that they are open. `stale`: its alive counter stands still and all else goes
    on. `hang`: nothing goes on behind its Modbus stack; false restarts it.
    """

    target_v: Annotated[float, Field(ge=0, le=1500)] | None = None
    target_a: Annotated[float, Field(ge=0, le=3000)] | None = None
    insulation_ok: bool | None = None
    contactor: Literal["ok", "welded", "stuck", "aux_broken"] | None = None
    stale: bool | None = None
    hang: bool | None = None


class Module(Strict):
    """One power module (`stack-1.0`: the one with address 0 at the start) or all of a stack (`stack-1`).

    `silent`: hears and obeys and never answers. `dead`: neither; its output stays until its own time-out.
    `fault`: no output, and it says so. `available_w`: derated. `address`: another one, taken ones too.
    """

    silent: bool | None = None
    dead: bool | None = None
    fault: bool | None = None
    available_w: Annotated[float, Field(ge=0, le=1e6)] | None = None
    address: Annotated[int, Field(ge=0, le=127)] | None = None


class MatrixContactor(Strict):
    """A contactor of the switching matrix (`stack-1/DC2`); welded: stays closed once it is, stuck: stays open."""

    fault: Literal["none", "welded", "stuck", "aux_broken"]


class Clock(Strict):
    scale: Annotated[float, Field(ge=0.01, le=1000)] | None = None


class Network(Strict):
    state: Literal["up", "down", "refuse", "blackhole", "reset", "slow"]
    ms: Annotated[int, Field(ge=0, le=600_000)] | None = None
    seconds: Seconds | None = None


class CsmsCall(Strict):
    action: str
    payload: dict[str, Any]
    identity: str | None = None
    request_id: str | None = None


class Behaviour(Anything):
    """Checked by the CSMS itself."""
