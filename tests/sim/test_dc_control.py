"""A site with DC outlets in a process of its own: its wires, its control API, and what it tells the controller."""

import socket
import struct
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sim.dc_sites import ENABLE, dc_scenario, outlet, stack, switch
from tests.sim.raw_modbus import Tcp, write_many
from tests.sim.sites import Row, Site, evse, running_site, toml_of

WITHIN_S = 25.0


class Socketcand:
    """One connection in raw mode, from the protocol's text alone."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self._rest = b""
        for command in ("open can0", "rawmode"):
            assert self.message() in ("hi", "ok")
            self._socket.sendall(f"< {command} >".encode())
        assert self.message() == "ok"

    def __enter__(self) -> "Socketcand":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def message(self) -> str:
        while b">" not in self._rest:
            more = self._socket.recv(4096)
            if not more:
                raise ConnectionError("closed")
            self._rest += more
        text, self._rest = self._rest.split(b">", 1)
        return text.decode().strip("< ")

    def ends(self) -> bool:
        """Whether the other end hangs up, whatever it sent before."""
        while self._socket.recv(4096):
            pass
        return True

    def send(self, can_id: int, data: bytes) -> None:
        self._socket.sendall(f"< send {can_id:08X} {len(data)} {data.hex(' ')} >".encode())

    def aim(self, address: int, volts: float, amperes: float) -> None:
        """Setpoint and on for an InfyPower module, as its protocol has it."""
        self.send(0x029C00F0 | address << 8, struct.pack(">II", round(volts * 1000), round(amperes * 1000)))
        self.send(0x029A00F0 | address << 8, bytes((amperes <= 0, 0, 0, 0, 0, 0, 0, 0)))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An AC charger, then two outlets that share two stacks, one more of which is wired for good."""
    folder = tmp_path_factory.mktemp("dc")
    data = dc_scenario(
        evse(), outlet(boot_s=0.5), outlet("DC2", boot_s=0.5),
        stacks=[
            stack(switches=[switch("DC1", 0), switch("DC2", 1)]), stack("stack-2", "DC2", addresses=[2]),
        ],
    )  # fmt: skip
    file = folder / "site.toml"
    file.write_text(toml_of(data))
    with running_site(str(file), folder / "out") as running:
        yield running


def reach(holds: Callable[[], bool], what: Callable[[], Any]) -> None:
    end = time.monotonic() + WITHIN_S
    while time.monotonic() < end:
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError(what())


def supplies(site: Site, can: Socketcand, *addresses: int, until: Callable[[Row], bool]) -> None:
    """Do what the SECC of DC1 asks for, over both wires, until the outlet is as wanted."""
    with Tcp(site.port("lan"), 1) as secc:

        def turn() -> bool:
            request, *_, decivolts, deciamperes = secc.registers(3, 2, 6)
            for address in addresses:
                can.aim(address, decivolts / 10, request * deciamperes / 10 / len(addresses))
            return until(site.evse(2))

        reach(turn, lambda: site.evse(2))


def coil(site: Site, address: int, on: bool) -> None:
    with Tcp(site.port("lan"), 9) as panel:
        panel.ask(struct.pack(">BHH", 5, address, 0xFF00 if on else 0))
    reach(lambda: site.state()["dc"]["contactors"][address]["closed"] is on, lambda: site.state()["dc"])


def test_a_session_over_the_wires_from_plug_to_plug(site: Site) -> None:
    coil(site, 0, True)
    plugs = site.evse(2)["plug_count"]
    assert site.post("evse/2/plug_in", max_a=50, battery_v=380, ramp_s=0.5)["pilot"] == "B"
    with Tcp(site.port("lan"), 1) as secc, Socketcand(site.port("can0")) as can:
        assert secc.ask(write_many(ENABLE, 1, 4000, 10_000, 2000))[0] == 16
        supplies(site, can, 0, 1, until=lambda row: row["amperes"] > 49)
        state = site.state()
        row = state["evse"][1]
        assert (row["pilot"], row["contactor"], row["phase"], row["insulation"]) == ("C", True, "charging", "good")
        assert row["power_w"] == pytest.approx(row["volts"] * row["amperes"])
        assert sum(row["drawn_a"]) * 230 > row["power_w"]
        assert state["circuits"][0]["drawn_a"][0] > row["drawn_a"][0], "the idle stack takes a little too"
        assert [stack["outlet"] for stack in state["dc"]["stacks"]] == ["DC1", "DC2"]
        assert sum(module["amperes"] for module in state["dc"]["modules"]) == pytest.approx(row["amperes"])
        assert secc.ask(write_many(ENABLE, 0))[0] == 16
        supplies(site, can, 0, 1, until=lambda row: not row["contactor"])
    site.post("evse/2/unplug")
    row = site.evse(2)
    assert (row["plugged"], row["plug_count"], site.state()["dc"]["damage"]) == (False, plugs + 1, [])
    assert row["energy_register_wh"] == int(row["energy_wh"]) > 1000
    coil(site, 0, False)


def test_a_plug_is_locked_until_the_outlet_is_dead(site: Site) -> None:
    coil(site, 0, True)
    site.post("evse/2/plug_in", max_a=50, battery_v=380, ramp_s=0.5)
    with Tcp(site.port("lan"), 1) as secc, Socketcand(site.port("can0")) as can:
        secc.ask(write_many(ENABLE, 1, 4000, 10_000, 2000))
        supplies(site, can, 0, 1, until=lambda row: row["amperes"] > 20)
        for address in (0, 1):
            can.aim(address, 400, 0)
        site.post("evse/2/unplug")
        secc.ask(write_many(ENABLE, 0))
    assert site.evse(2)["phase"] == "idle"
    coil(site, 0, False)


def test_faults_of_modules_and_contactors(site: Site) -> None:
    assert site.post("module/stack-1", fault=True)["modules"] == ["stack-1.0", "stack-1.1"]
    site.post("module/stack-1.1", silent=True, dead=True, available_w=5000, address=0)
    rows = {row["id"]: row for row in site.state()["dc"]["modules"]}
    assert [rows["stack-1.0"][key] for key in ("fault", "silent", "dead")] == [True, False, False]
    assert [rows["stack-1.1"][key] for key in ("dead", "available_w", "address")] == [True, 5000, 0]
    site.post("module/stack-1", fault=False, silent=False, dead=False, available_w=30_000)
    site.post("module/stack-1.1", address=1)
    site.post("contactor/stack-1/DC2", fault="stuck")
    with Tcp(site.port("lan"), 9) as panel:
        panel.ask(struct.pack(">BHH", 5, 1, 0xFF00))
        time.sleep(0.5)
        assert panel.ask(struct.pack(">BHH", 2, 0, 2)) == bytes((2, 1, 0))
        panel.ask(struct.pack(">BHH", 5, 1, 0))
    site.post("contactor/stack-1/DC2", fault="none")


def test_faults_of_an_secc(site: Site) -> None:
    site.post("secc/2", stale=True)
    with Tcp(site.port("lan"), 1) as secc:
        first = secc.registers(3, 5, 1)
        time.sleep(0.5)
        assert secc.registers(3, 5, 1) == first
        site.post("secc/2", stale=False)
        reach(lambda: secc.registers(3, 5, 1) != first, lambda: first)
        site.post("secc/2", hang=True)
        secc.ask(write_many(ENABLE, 1))
        assert not site.evse(2)["enabled"]
    site.post("secc/2", hang=False)
    assert site.evse(2)["up"]
    site.post("evse/2/charger", reboot=True)
    assert site.evse(2)["up"]
    site.post("evse/2/error", kind="GroundFault", **{"raise": True})
    assert (site.evse(2)["pilot"], site.evse(2)["errors"]) == ("F", ["GroundFault"])
    site.post("evse/2/error", kind="GroundFault", **{"raise": False})
    assert site.evse(2)["pilot"] == "A"


def test_a_card_at_the_outlet(site: Site) -> None:
    site.post("reader/DC1/tap", uid="04A1B2C3", hold_ms=60_000)
    with Tcp(site.port("lan"), 1) as secc:
        words = secc.registers(3, 14, 10)
    assert b"".join(word.to_bytes(2, "big") for word in words).rstrip(b"\0") == b"04A1B2C3"


def test_faults_of_the_can_bus(site: Site) -> None:
    with Socketcand(site.port("can0")) as can:
        site.post("bus/can0/fault", kind="bus_off", seconds=0.5)
        assert can.message().startswith("error 040")
        assert can.message().startswith("error 100")
        site.post("bus/can0/fault", kind="garbage")
        site.post("bus/can0/fault", kind="disconnect")
        assert can.ends()
    site.post("bus/can0/fault", kind="noise", rate=0.1)
    assert [bus["faults"] for bus in site.state()["buses"] if bus["id"] == "can0"] == [
        [{"kind": "noise", "device": None, "rate": 0.1}]
    ]
    site.post("bus/can0/fault", kind="none")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("module/nothing", {"dead": True}, 404),
        ("module/stack-1", {"colour": 1}, 422),
        ("contactor/stack-1/DC9", {"fault": "welded"}, 404),
        ("contactor/stack-1/DC1", {"fault": "rusty"}, 422),
        ("secc/1", {"stale": True}, 409),
        ("secc/9", {"stale": True}, 404),
        ("evse/1/plug_in", {"battery_v": 400}, 422),
        ("evse/2/plug_in", {"phases": 3}, 422),
        ("evse/2/ev", {"state": "suspended"}, 409),
        ("evse/2/charger", {"stuck_setpoint": True}, 409),
        ("bus/can0/fault", {"kind": "crc"}, 422),
        ("bus/can0/fault", {"kind": "noise", "device": "stack-1.0"}, 422),
        ("bus/lan/fault", {"kind": "bus_off"}, 422),
        ("bus/lan/fault", {"kind": "silent", "device": "stack-1/DC1", "rate": 0}, 200),
    ],
)
def test_what_makes_no_sense_is_refused(site: Site, path: str, body: Row, status: int) -> None:
    assert site.status_of(path, body) == status


def test_the_controller_is_told_all_of_it(site: Site) -> None:
    told = tomllib.loads((site.out / "site.toml").read_text())
    can = next(bus for bus in told["buses"] if bus["id"] == "can0")
    assert can == {
        "id": "can0", "kind": "can", "interface": "socketcand", "host": "127.0.0.1", "port": site.port("can0"),
        "channel": "can0", "bitrate": 125_000,
    }  # fmt: skip
    assert told["power_modules"][0]["switches"][1] == {
        "evse": "DC2", "bus": "lan", "unit": 9, "coil": 1, "feedback": 1,
    }  # fmt: skip
    assert {key: told["power_modules"][1][key] for key in ("id", "profile", "bus", "addresses", "evse")} == {
        "id": "stack-2", "profile": "infypower-v1.13", "bus": "can0", "addresses": [2], "evse": "DC2",
    }  # fmt: skip
    assert "switches" not in told["power_modules"][1]
    assert [row["id"] for row in told["evses"]] == ["A1", "DC1", "DC2"]
    assert told["evses"][1] == {
        "id": "DC1", "profile": "ampyard-secc", "bus": "lan", "unit": 1, "circuit": "main", "phases": 3,
        "rotation": "L1L2L3", "min_current_a": 1, "max_current_a": 100, "max_power_kw": 60, "efficiency": 0.92,
    }  # fmt: skip


def test_power_comes_back_after_a_black_out(site: Site) -> None:
    site.post("power", on=False)
    assert not any(row["powered"] for row in site.state()["dc"]["modules"])
    site.post("power", on=True)
    assert all(row["up"] for row in site.state()["evse"])


def test_an_slcan_adapter_is_a_serial_port(tmp_path: Path) -> None:
    data = dc_scenario(outlet(), stacks=[stack()])
    data["buses"][-1] |= {"interface": "slcan"}
    file = tmp_path / "slcan.toml"
    file.write_text(toml_of(data))
    with running_site(str(file), tmp_path / "out") as site:
        told = tomllib.loads((site.out / "site.toml").read_text())
        can = next(bus for bus in told["buses"] if bus["id"] == "can0")
        assert can == {
            "id": "can0", "kind": "can", "interface": "slcan", "bitrate": 125_000, "port": site.port("can0"),
        }  # fmt: skip
        with Path(can["port"]).open("r+b", buffering=0) as port:
            port.write(b"S4\rO\r")
            port.write(b"T029C00F0800061A800000C350\rT029A00F080000000000000000\r")
            reach(lambda: site.evse(1)["volts"] == pytest.approx(400), lambda: site.evse(1))
