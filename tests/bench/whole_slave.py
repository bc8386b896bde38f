"""All devices of a simulated site in a process of their own, for benchmarks of the whole controller.

The physics are the simulator's (chargers, EVs, circuits), stepped each 50 ms. A meter looks ten times a second, at
a phase that changes by chance with each step of the load, and shows that until it looks again. Spoken to in lines
of JSON (`obey`); each is answered by a line.
"""

import json
import random
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sim.modbus_server import RtuBus, TcpBus
from sim.pdu import Slave
from sim.physics import Ev, EvSpec
from sim.readers import rdm6300_frame
from sim.scenario_file import load_scenario
from sim.site_file import write_site
from sim.upstream import Upstream
from sim.world import Station, World
from tests.bench.bus_slave import be_hardware
from tests.bench.whole_reaction import Reaction
from tests.bench.whole_wires import SerialWire, TcpWires, reader_line

LOOK_S = 0.1
TICK_S = 0.008
EV = EvSpec(max_a=32.0, conductors=(0, 1, 2), soc=0.2, capacity_wh=1e7, ramp_s=0.2, delay_s=0.1)


class Site:
    """The devices, their wires, and the clock that moves them. Everything is done under one lock."""

    def __init__(self, scenario: Path, *, readers: int, seed: int) -> None:
        self.lock = threading.RLock()
        self.world = World(load_scenario(str(scenario)))
        self.readers = [reader_line(9600) for _ in range(readers)]
        self.reaction: Reaction | None = None
        self.offered_s: float | None = None
        """When the charger that was waited for had heard the write that offers current."""
        self._rng = random.Random(seed)
        self._wires: list[SerialWire] = []
        self._next_look_s = 0.0
        self._armed: float | None = None
        """The building's load that the meter is to show, while nobody has seen it there yet."""
        self._awaited: str | None = None
        for meter in self.world.meters.values():
            meter.frozen = True  # it looks when we say so
        self._join_wires()

    def _join_wires(self) -> None:
        self._tcp = TcpWires(self.lock, self._acknowledged)
        for spec in self.world.scenario.buses:
            slaves = dict(self._on(spec.id))
            bus = self.world.buses[spec.id]
            if isinstance(bus, TcpBus):
                bus.port = self._tcp.listen_for(slaves)
            elif isinstance(bus, RtuBus):
                wire = SerialWire(bus.line, slaves, lock=self.lock, told=self._acknowledged)
                bus.pty.close()
                bus.pty = wire.pty
                self._wires.append(wire)

    def _on(self, bus: str) -> Iterator[tuple[int, Slave]]:
        for (name, unit), device in self.world.devices.items():
            if name == bus:
                yield unit, device
        for spec in self.world.scenario.meters:
            if spec.bus == bus:
                yield spec.unit, self.world.meters[spec.id]

    def start(self) -> None:
        for run in (self._live, self._tcp.run, *(wire.run for wire in self._wires)):
            threading.Thread(target=run, daemon=True).start()

    @property
    def violations(self) -> int:
        return sum(wire.violations for wire in self._wires)

    @property
    def slips(self) -> int:
        return sum(wire.slips for wire in self._wires)

    @property
    def stations(self) -> list[Station]:
        return self.world.stations

    # Time.

    def _live(self) -> None:
        be_hardware()
        while True:
            with self.lock:
                self.world.advance()
                self._look(time.monotonic())
            time.sleep(TICK_S)

    def _look(self, now_s: float) -> None:
        if now_s < self._next_look_s:
            return
        self._next_look_s = max(self._next_look_s + LOOK_S, now_s + LOOK_S / 2)
        for meter in self.world.meters.values():
            meter.refresh()
        if self._armed is None or self.reaction is not None:
            return
        shown_a = max(self.world.meters["grid"].look.current_a)
        if shown_a > self.rating_a:
            self.reaction = Reaction(self.rating_a, self._armed, time.monotonic(), self.limits())

    @property
    def rating_a(self) -> float:
        return self.world.scenario.circuits[0].rating_a[0]

    def limits(self) -> dict[str, float]:
        """What each charger offers by what it has acknowledged."""
        return {station.spec.id: _limit_a(station) for station in self.stations}

    # What happens on the wires.

    def _acknowledged(self, slave: Slave, heard_s: float, left_s: float) -> None:
        with self.lock:
            for station in self.stations:
                if station.device is not slave:
                    continue
                limit_a = _limit_a(station)
                if self.reaction is not None:
                    self.reaction.acknowledged(station.spec.id, limit_a, left_s)
                if self._awaited == station.spec.id and limit_a > 0:
                    self.offered_s, self._awaited = heard_s, None

    # What the benchmark asks for.

    def plug_in(self) -> None:
        with self.lock:
            for station in self.stations:
                station.outlet.plug_in(Ev(replace(EV, max_a=station.spec.max_a)))

    def load(self, building_a: float) -> None:
        with self.lock:
            self.world.wiring.circuits["main"].load_a = [building_a] * 3
            self._next_look_s += self._rng.uniform(0.0, LOOK_S)

    def react(self, building_a: float, within_s: float) -> dict[str, float | None]:
        """Step the building's load up; how long the site took, from the look of the meter that showed it."""
        with self.lock:
            self.reaction, self._armed = None, building_a
            self.load(building_a)
        until_s = time.monotonic() + within_s
        while time.monotonic() < until_s and not self._reacted():
            time.sleep(0.02)
        with self.lock:
            found = self._reacted()
            self.reaction, self._armed = None, None
        return {
            "took_s": found.took_s if found else None,
            "below_s": found.below_s - found.begun_s if found else None,
            "violations": self.violations,
            "slips": self.slips,
        }

    def _reacted(self) -> Reaction | None:
        return self.reaction if self.reaction is not None and self.reaction.over else None

    def tap(self, place: int, uid: str, *, awaited: str | None, within_s: float) -> dict[str, float | None]:
        """Present a card; how long until the charger had heard the write that offers current to the car."""
        with self.lock:
            self.offered_s, self._awaited = None, awaited
        self.readers[place].write(rdm6300_frame(uid))
        begun_s = time.monotonic()
        while awaited is not None and not self._offered() and time.monotonic() < begun_s + within_s:
            time.sleep(0.01)
        with self.lock:
            heard_s, self._awaited = self._offered(), None
        return {"took_s": None if heard_s is None else heard_s - begun_s}

    def _offered(self) -> float | None:
        """When the awaited charger heard its write."""
        return self.offered_s

    def state(self) -> dict[str, Any]:
        with self.lock:
            return {
                "limits_a": list(self.limits().values()),
                "drawn_a": [max(station.outlet.drawn_a) for station in self.stations],
                "shown_a": max(self.world.meters["grid"].look.current_a),
                "violations": self.violations,
                "slipped_s": self.world.clock.slipped_s,
            }


def _limit_a(station: Station) -> float:
    controller = station.controller
    limit_a = controller.limit_a if controller.enabled else 0.0
    return limit_a if limit_a >= station.spec.min_a else 0.0


def obey(site: Site, order: Mapping[str, Any]) -> dict[str, Any]:
    match order:
        case {"plug_in": True}:
            site.plug_in()
        case {"load_a": building_a}:
            site.load(building_a)
        case {"react_a": building_a, "within_s": within_s}:
            return site.react(building_a, within_s)
        case {"tap": place, "uid": uid, "awaited": awaited, "within_s": within_s}:
            return site.tap(place, uid, awaited=awaited, within_s=within_s)
    return site.state()


def main() -> None:
    settings = json.loads(sys.argv[1])
    sys.setswitchinterval(0.0002)
    be_hardware()
    folder = Path(settings["folder"])
    site = Site(folder / "scenario.toml", readers=settings["readers"], seed=settings["seed"])
    page = write_site(site.world, Upstream(site.world.scenario, folder), folder)
    _say({"page": page, "readers": [reader.path for reader in site.readers]})
    site.start()
    for line in sys.stdin:
        _say(obey(site, json.loads(line)))


def _say(message: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
