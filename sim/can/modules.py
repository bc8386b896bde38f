"""Simulated power modules: one class per protocol, written from the published facts with struct alone."""

import asyncio
import struct
import time
from collections.abc import Callable, Iterator

from sim.can.source import Stage
from sim.can.wire import CanWire, Party, WireFrame


class SimModule:
    """One module on a wire. `latency_s` lies between a frame and what it does."""

    def __init__(
        self,
        wire: CanWire,
        address: int,
        stage: Stage,
        *,
        latency_s: float = 0.01,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`now` is the time that the stage lives in."""
        self.address = address
        self.stage = stage
        self.latency_s = latency_s
        self.mute = False
        """Hears and obeys, and never answers."""
        self.dead = False
        """Neither hears nor answers; its output stays as it is until its own time-out."""
        self.fault = False
        self.powered = True
        self.heard = 0
        self._now = now
        self.wire = wire
        self._party = Party(self._receive, lambda classes: None)
        self._leave = wire.join(self._party)
        self.stage.heard_s = now()

    def leave(self) -> None:
        self._leave()

    @property
    def amperes(self) -> float:
        self.stage.broken = self.fault
        self.stage.advance(self._now())
        return self.stage.amperes

    def mains(self, on: bool) -> None:
        """What it was told is gone with its supply."""
        self.powered = on
        self.stage.on = False
        self.stage.set_v = self.stage.set_a = self.stage.amperes = 0.0

    @property
    def listens(self) -> bool:
        return self.powered and not self.dead

    def shares(self, other: "SimModule") -> bool:
        """Whether both answer to one address on one wire."""
        return (self.wire, self.address, type(self)) == (other.wire, other.address, type(other))

    def _receive(self, frame: WireFrame) -> None:
        if self.listens and frame.extended and len(frame.data) == 8 and self._meant(frame.can_id):
            asyncio.get_running_loop().call_later(self.latency_s, self._obey, frame)

    def _obey(self, frame: WireFrame) -> None:
        if not self.listens:
            return
        self.stage.broken = self.fault
        self.stage.advance(self._now())
        self.stage.heard_s = self._now()
        self.heard += 1
        for answer in self._answers(frame):
            if not self.mute:
                self.wire.put(answer, self._party)

    def _meant(self, can_id: int) -> bool:
        raise NotImplementedError

    def _answers(self, frame: WireFrame) -> Iterator[WireFrame]:
        raise NotImplementedError


class SimInfyPower(SimModule):
    """V1.13. `group` members count themselves; the first answers."""

    group = 1
    group_size = 1
    duplicate = False

    def _meant(self, can_id: int) -> bool:
        device, destination, source = can_id >> 22 & 0xF, can_id >> 8 & 0xFF, can_id & 0xFF
        single = device == 0xA and destination in (self.address, 0x3F)
        return 0xF0 <= source <= 0xF8 and (single or (device == 0xB and destination == self.group))

    def _answers(self, frame: WireFrame) -> Iterator[WireFrame]:
        command = frame.can_id >> 16 & 0x3F
        stage = self.stage
        head = frame.can_id & 0x1FFF0000 | (frame.can_id & 0xFF) << 8 | self.address
        if command == 0x1A:
            stage.on = frame.data[0] == 0
        elif command == 0x1C:
            millivolts, milliamperes = struct.unpack(">II", frame.data)
            stage.set_v, stage.set_a = millivolts / 1000, milliamperes / 1000
        elif command == 2 and self.address == 0:
            yield WireFrame(head, bytes((0, 0, self.group_size, 0, 0, 0, 0, 0)))
        elif command == 3:
            yield WireFrame(head, struct.pack(">ff", stage.volts, stage.amperes))
        elif command == 4:
            yield WireFrame(head, self._status())
        elif command == 10:
            power_w = min(stage.available_w, stage.rated_w)
            yield WireFrame(head, struct.pack(">HHHH", 1000, 150, round(stage.rated_a * 10), round(power_w / 10)))

    def _status(self) -> bytes:
        byte5 = 0x02 if self.duplicate else 0
        byte6 = (0 if self.stage.on else 0x01) | (0x02 if self.fault else 0)
        return bytes((0, 0, 0, 0, 0, byte5, byte6, 0))


class SimUuGreen(SimModule):
    """V1. `serial` fills the lower bits of its identifiers."""

    serial = 0x15A

    def _meant(self, can_id: int) -> bool:
        return can_id >> 21 == 0x11 and can_id >> 14 & 0x7F in (0, self.address)

    def _answers(self, frame: WireFrame) -> Iterator[WireFrame]:
        kind, command = frame.data[0] & 0xF, frame.data[1] & 0x7F
        value = struct.unpack(">I", frame.data[4:])[0]
        if kind == 0:
            self._set(command, value)
            yield self._frame(1, frame.data[0] >> 4, command, value)
        elif kind == 2:
            yield self._frame(4 if command == 5 else 3, frame.data[0] >> 4, command, self._value(command))

    def _set(self, command: int, value: int) -> None:
        if command == 2:
            self.stage.set_v = value / 1000
        elif command == 3:
            self.stage.set_a = value / 1000
        elif command == 4:
            if value == 0 and not self.stage.on:
                self.stage.set_v = self.stage.set_a = 0.0  # it forgets its setpoints when it is switched on
            self.stage.on = value == 0

    def _value(self, command: int) -> int:
        if command in (0, 98):
            return round(self.stage.volts * 1000)
        if command in (1, 47):
            return round(self.stage.amperes * 1000)
        return 123456 if command == 5 else 0

    def _frame(self, kind: int, group: int, command: int, value: int) -> WireFrame:
        can_id = 0x02200000 | self.address << 14 | self.serial
        return WireFrame(can_id, struct.pack(">BBHI", group << 4 | kind, command, 0, value))


class SimScu(SimModule):
    """DPM1000. It ignores the power frame and obeys value 0x30, as some do."""

    def _meant(self, can_id: int) -> bool:
        return can_id >> 20 == 0x60 and can_id >> 11 & 0xFF == self.address and can_id & 7 == 3

    def _answers(self, frame: WireFrame) -> Iterator[WireFrame]:
        kind, value_id = frame.data[0], struct.unpack(">H", frame.data[2:4])[0]
        if kind == 0x01:
            yield self._frame(0x41, value_id, self._value(value_id))
        elif kind == 0x03:
            self._set(value_id, frame.data[4:])
            yield self._frame(0x43, value_id, frame.data[4:])

    def _set(self, value_id: int, raw: bytes) -> None:
        if value_id == 0x30:
            self.stage.on = raw == b"\0\0\0\0"
        elif value_id == 33:
            self.stage.set_v = struct.unpack(">f", raw)[0]
        elif value_id == 34:
            self.stage.set_a = struct.unpack(">f", raw)[0] * 100

    def _value(self, value_id: int) -> bytes:
        if value_id == 64:
            return struct.pack(">I", (0 if self.stage.on else 1 << 22) | (1 << 28 if self.fault else 0))
        return struct.pack(">f", {1: self.stage.volts, 7: self.stage.amperes}.get(value_id, 0.0))

    def _frame(self, kind: int, value_id: int, raw: bytes) -> WireFrame:
        can_id = 0x60 << 20 | 1 << 19 | 0xF0 << 11 | self.address << 3 | 3
        return WireFrame(can_id, struct.pack(">BBH", kind, 0xF0, value_id) + raw)


class SimHuawei(SimModule):
    """R100040Gx without grouping."""

    def _meant(self, can_id: int) -> bool:
        ours = can_id >> 23 == 13 and can_id & 0xFE == 0xFC
        return ours and can_id >> 16 & 0x7F in (0, self.address)

    def _answers(self, frame: WireFrame) -> Iterator[WireFrame]:
        message = frame.can_id >> 8 & 0xFF
        signal, byte3 = struct.unpack(">H", frame.data[:2])[0] & 0xFFF, frame.data[3]
        value = struct.unpack(">I", frame.data[4:])[0]
        if message == 0x40 and byte3 == 0xAA:
            yield from self._realtime(value)
        elif message in (0x80, 0x81):
            self._set(signal, byte3, value)
            yield self._frame(message, frame.data)

    def _set(self, signal: int, byte3: int, value: int) -> None:
        if signal == 0x100:
            self.stage.set_v = value / 1024
        elif signal == 0x10F:
            self.stage.set_a = value / 1024
        elif signal == 0x132:
            self.stage.on = byte3 == 0

    def _realtime(self, wanted: int) -> Iterator[WireFrame]:
        if wanted & 1 << 16:
            alarms = 1 << 5 if self.fault else 0
            yield self._frame(0x40, struct.pack(">HBBI", 0x183, 0, 0, alarms), more=True)
        if wanted & 1 << 22:
            packed = round(self.stage.amperes * 10) << 16 | round(self.stage.volts * 10)
            yield self._frame(0x40, struct.pack(">HBBI", 0x191, 0, 0, packed))

    def _frame(self, message: int, data: bytes, *, more: bool = False) -> WireFrame:
        return WireFrame(13 << 23 | self.address << 16 | message << 8 | 31 << 2 | more, bytes(data))
