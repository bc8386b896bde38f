"""The bodies of the control API's requests. Unknown keys are errors."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Amps = Annotated[float, Field(ge=0, le=500)]
Seconds = Annotated[float, Field(ge=0, le=1e7)]
Rate = Annotated[float, Field(ge=0, le=1)]
Kind = Literal["silent", "crc", "exception", "garbage", "slow", "late", "echo", "split", "none"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Nothing(Strict):
    pass


class Anything(BaseModel):
    model_config = ConfigDict(extra="allow")


class PlugIn(Strict):
    """`soc` is a share up to 1 and a percentage above it. `rotation`: conductors that the EV loads."""

    max_a: Annotated[float, Field(ge=1, le=500)] = 32
    phases: Literal[1, 2, 3] | None = None
    rotation: str | None = None
    soc: Annotated[float, Field(ge=0, le=100)] = 0.2
    capacity_wh: Annotated[float, Field(gt=0, le=1e7)] = 60_000
    ramp_s: Seconds | None = None
    delay_s: Seconds | None = None
    evccid: str | None = None


class EvMood(Strict):
    """`draw_a` and `draw_w` are the most that the EV takes of what is offered; null lifts that."""

    state: Literal["ready", "suspended", "fault"] | None = None
    draw_a: Amps | None = None
    draw_w: Annotated[float, Field(ge=0, le=1e6)] | None = None
    overdraw_ratio: Annotated[float, Field(ge=0, le=10)] | None = None
    ignores_limit: bool | None = None


class Charger(Strict):
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
    """`device` is an EVSE's or meter's id, or a unit number; `none` ends all faults of the bus."""

    kind: Kind
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
