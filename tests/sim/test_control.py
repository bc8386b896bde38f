"""A simulator in a process of its own, driven as a test harness would drive it."""

import re
import signal
import socket
import ssl
import threading
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sim.raw_modbus import Rtu, Tcp, read_request, write_single
from tests.sim.sites import Site, evse, meter, running_site, scenario, start, toml_of


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two chargers that take every write; shared, so each test leaves it as it found it."""
    folder = tmp_path_factory.mktemp("sim")
    data = scenario(
        evse(latency_s=0.5, boot_s=0.5),
        evse("W1", "webasto-next", latency_s=0.5, boot_s=0.5, max_current_a=16),
        meter("grid", "eastron-sdm630-v2", circuit="main"),
        kinds={"bus-grid": "modbus-rtu"},
        readers=[
            {"id": "door", "profile": "rdm6300", "evses": ["A1"]},
            {"id": "desk", "profile": "ascii-line", "evses": ["A1"]},
        ],
        tokens=[{"uid": "0100ABCDEF"}],
        csms={"version": "2.0.1"},
    )
    file = folder / "site.toml"
    file.write_text(toml_of(data))
    with running_site(str(file), folder / "out") as running:
        yield running


def offer(site: Site, amps: int) -> None:
    with Tcp(site.port("bus-A1"), 255) as box:
        if amps:
            box.ask(write_single(5004, amps * 1000))
        box.ask(write_single(5014, 1 if amps else 0))


def reach(site: Site, number: int, key: str, value: object, within_s: float = 10) -> None:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if site.evse(number)[key] == value:
            return
        time.sleep(0.05)
    raise AssertionError((key, value, site.evse(number)))


def test_plug_in_shows_b_at_once_and_unplug_shows_a(site: Site) -> None:
    plugs = site.evse(1)["plug_count"]
    assert site.post("evse/1/plug_in", max_a=16)["pilot"] == "B"
    assert site.evse(1)["plugged"]
    site.post("evse/1/plug_in", max_a=16)
    assert site.evse(1)["plug_count"] == plugs + 1
    site.post("evse/1/unplug")
    site.post("evse/1/unplug")
    assert site.evse(1)["pilot"] == "A"


def test_released_ev_charges_and_the_circuit_carries_it(site: Site) -> None:
    site.post("evse/1/plug_in", max_a=16, phases=1, rotation="L2", ramp_s=0.2, delay_s=0.1)
    offer(site, 10)
    reach(site, 1, "drawn_a", [0, 10, 0])
    found = site.state()
    assert found["circuits"][0]["drawn_a"] == [0, 10, 0]
    assert found["evse"][0]["power_w"] == pytest.approx(2300)
    assert found["evse"][0]["energy_wh"] > 1000
    assert found["evse"][0]["energy_register_wh"] <= found["evse"][0]["energy_wh"]
    offer(site, 0)
    reach(site, 1, "contactor", False)
    site.post("evse/1/unplug")


def test_suspended_ev_lets_go_before_the_answer(site: Site) -> None:
    site.post("evse/1/plug_in", ramp_s=0.2, delay_s=0.1)
    offer(site, 10)
    reach(site, 1, "pilot", "C")
    assert site.post("evse/1/ev", state="suspended")["pilot"] == "B"
    assert site.evse(1)["drawn_a"] == [0, 0, 0]
    assert site.post("evse/1/ev", state="fault")["pilot"] == "E"
    site.post("evse/1/unplug")
    offer(site, 0)


def test_overload_is_measured_in_the_wiring(site: Site) -> None:
    before = site.state()["circuits"][0]
    site.post("load", circuit="main", l1_a=70)
    time.sleep(0.5)
    site.post("load", circuit="main", l1_a=0)
    after = site.state()["circuits"][0]
    assert after["over_s"][0] - before["over_s"][0] >= 0.4
    assert after["over_s"][1] == before["over_s"][1]
    assert after["worst_ratio"][0] == pytest.approx(70 / 63)


def test_export_is_a_negative_load(site: Site) -> None:
    site.post("load", circuit="main", l1_a=-5, l2_a=-5, l3_a=-5)
    assert site.state()["circuits"][0]["drawn_a"] == [-5, -5, -5]
    site.post("load", circuit="main", l1_a=0, l2_a=0, l3_a=0)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("evse/1/plug_in", {"max_a": "many"}, 422),
        ("evse/1/plug_in", {"colour": "red"}, 422),
        ("evse/1/plug_in", {"rotation": "L9"}, 422),
        ("evse/1/plug_in", [], 422),
        ("evse/9/plug_in", {}, 404),
        ("evse/0/unplug", {}, 404),
        ("evse/1/ev", {"state": "ready"}, 409),
        ("evse/1/error", {"kind": "GroundFailure"}, 422),
        ("evse/1/explode", {}, 404),
        ("reader/door/tap", {"uid": "xyz"}, 422),
        ("reader/door/tap", {"uid": "04A1B2C3D4E5F6"}, 422),
        ("reader/door/tap", {}, 422),
        ("reader/door/tap", {"uid": "01", "raw": "01"}, 422),
        ("reader/none/tap", {"uid": "01"}, 404),
        ("reader/A1/tap", {"raw": "04"}, 409),
        ("bus/bus-A1/fault", {"kind": "rust"}, 422),
        ("bus/bus-A1/fault", {"kind": "silent", "device": "grid"}, 422),
        ("bus/none/fault", {"kind": "silent"}, 404),
        ("meter/none", {}, 404),
        ("load", {"circuit": "none"}, 422),
        ("power", {}, 422),
        ("clock", {"scale": 0}, 422),
        ("network", {"state": "foggy"}, 422),
        ("module/1", {"silent": True}, 404),
        ("secc/1", {"target_v": 400}, 409),
        ("csms/call", {"action": "Reset", "payload": {"type": "OnIdle"}}, 409),
        ("csms/behaviour", {"boot": "Perhaps"}, 422),
    ],
)
def test_bad_requests_get_their_status_and_a_reason(site: Site, path: str, body: object, status: int) -> None:
    answer = site.http.post(f"/v1/{path}", json=body)
    assert answer.status_code == status, answer.text
    assert len(answer.json()["error"]) > 5


def test_body_that_is_no_json_is_a_bad_request(site: Site) -> None:
    assert site.http.post("/v1/power", content=b"{").status_code == 422


def test_tap_puts_a_frame_on_the_line_and_its_repetition_does_not(site: Site) -> None:
    port = next(r["port"] for r in site.state()["readers"] if r["id"] == "desk")
    with Rtu(port) as line:
        for _ in range(2):
            site.post("reader/desk/tap", uid="04:a1:b2:c3", request_id="once")
        assert line.raw(b"", wait_s=0.5) == b"04A1B2C3\r\n"
        site.post("reader/2/tap", uid="04A1B2C3")
        assert line.raw(b"", wait_s=0.5) == b"04A1B2C3\r\n"
        site.post("reader/desk/tap", raw="0d0a00ff")
        assert line.raw(b"", wait_s=0.5) == b"\r\n\0\xff"


def test_tap_at_a_charger_with_a_reader_sets_its_register(site: Site) -> None:
    site.post("reader/W1/tap", uid="04A1B2C3", hold_ms=60_000)
    with Tcp(site.port("bus-W1"), 255) as box:
        words = box.registers(3, 1600, 10)
    assert b"".join(w.to_bytes(2, "big") for w in words).rstrip(b"\0") == b"04A1B2C3"


def test_bus_fault_ends_by_itself(site: Site) -> None:
    site.post("bus/bus-A1/fault", kind="exception", seconds=0.5)
    with Tcp(site.port("bus-A1"), 255) as box:
        assert box.ask(read_request(3, 1000, 2)) == bytes([0x83, 4])
        time.sleep(0.6)
        assert box.ask(read_request(3, 1000, 2))[0] == 3


def test_meter_can_be_set_rolled_over_and_made_to_lie(site: Site) -> None:
    site.post("meter/grid", energy_wh=5_000_000)
    shown = site.state()["meters"][0]
    assert shown["energy_register_wh"] == pytest.approx(5_000_000, rel=1e-6)
    site.post("meter/grid", rollover=True, power_w=3000)
    shown = site.state()["meters"][0]
    assert shown["energy_register_wh"] < 100
    assert sum(shown["power_w"]) == pytest.approx(3000)
    site.post("meter/grid", power_w=None, step_w=300)
    assert sum(site.state()["meters"][0]["power_w"]) == pytest.approx(300)
    site.post("meter/grid", step_w=0)


def test_black_out_and_return_are_reached_before_the_answer(site: Site) -> None:
    energy_wh = site.evse(1)["energy_wh"]
    site.post("power", on=False)
    assert [e["pilot"] for e in site.state()["evse"]] == [None, None]
    site.post("power", on=True)
    found = site.state()
    assert [e["up"] for e in found["evse"]] == [True, True]
    assert found["evse"][0]["energy_wh"] == energy_wh
    assert found["evse"][0]["offered_a"] == 0


def test_reboot_loses_the_setpoint(site: Site) -> None:
    offer(site, 10)
    reach(site, 1, "offered_a", 10)
    site.post("evse/1/charger", reboot=True)
    assert (site.evse(1)["up"], site.evse(1)["offered_a"]) == (True, 0)


def test_error_shows_as_f(site: Site) -> None:
    site.http.post("/v1/evse/1/error", json={"kind": "GroundFailure", "raise": True})
    assert site.evse(1)["pilot"] == "F"
    site.http.post("/v1/evse/1/error", json={"kind": "GroundFailure", "raise": False})
    assert site.evse(1)["pilot"] == "A"


def test_events_are_numbered_without_gaps_and_long_polled(site: Site) -> None:
    last = site.state()["last_event"]
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(site.http.get(f"/v1/events?since={last}").json()))
    waiting.start()
    time.sleep(0.2)
    site.post("evse/2/plug_in")
    waiting.join(10)
    assert answers[0]["events"][0]["kind"] == "plugged"
    assert answers[0]["events"][0]["seq"] == last + 1
    site.post("evse/2/unplug")
    everything = site.http.get("/v1/events?since=0").json()["events"]
    assert [e["seq"] for e in everything] == list(range(1, len(everything) + 1))
    assert site.http.get("/v1/events?since=999999&timeout_s=0").json() == {"events": [], "next": 999999}


def test_inputs_are_fail_safe(site: Site) -> None:
    site.post("input/fire", active=False, broken=True)
    assert site.state()["inputs"] == {"fire": True}


def test_clock_runs_faster_when_asked(site: Site) -> None:
    site.post("clock", scale=20)
    start_s = site.state()["time_s"]
    time.sleep(0.5)
    assert site.state()["time_s"] - start_s > 6
    site.post("clock", scale=1)


def test_energy_is_exact_at_any_speed(site: Site) -> None:
    site.post("evse/1/plug_in", ramp_s=0.1, delay_s=0.1, capacity_wh=1e6)
    offer(site, 10)
    reach(site, 1, "drawn_a", [10, 10, 10])
    site.post("clock", scale=60)
    before = site.state()
    time.sleep(1)
    after = site.state()
    site.post("clock", scale=1)
    hours = (after["time_s"] - before["time_s"]) / 3600
    taken_wh = after["evse"][0]["energy_wh"] - before["evse"][0]["energy_wh"]
    assert hours > 30 / 3600
    assert taken_wh == pytest.approx(6900 * hours, rel=1e-6)
    offer(site, 0)
    reach(site, 1, "contactor", False)
    site.post("evse/1/unplug")


def test_written_site_names_every_port_and_holds_no_password(site: Site) -> None:
    text = (site.out / "site.toml").read_text()
    data = tomllib.loads(text)
    state = site.state()
    assert {b["id"]: b.get("port") for b in data["buses"]} == {b["id"]: b["port"] for b in state["buses"]}
    assert {r["id"]: r["port"] for r in data["readers"]} == {r["id"]: r["port"] for r in state["readers"]}
    assert [e["power_up_current_a"] for e in data["evses"]] == [0, 0]
    secret = site.out / data["csms"]["password_file"]
    assert secret.stat().st_mode & 0o077 == 0
    assert secret.read_text().strip() not in text
    assert data["csms"]["stations"] == [{"identity": "test", "evses": ["A1", "W1"]}]


def test_csms_is_reached_through_the_network_with_its_own_authority(site: Site) -> None:
    data = tomllib.loads((site.out / "site.toml").read_text())
    port = int(data["csms"]["url"].split(":")[2].split("/")[0])
    context = ssl.create_default_context(cafile=site.out / data["csms"]["ca_file"])
    with (
        socket.create_connection(("127.0.0.1", port), 5) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        assert secure.version() is not None
    site.post("network", state="refuse")
    with socket.create_connection(("127.0.0.1", port), 5) as plain:
        assert plain.recv(1) == b""
    site.post("network", state="up")
    assert site.http.get("/v1/csms/messages?since=0").json()["messages"] == []
    site.post("csms/behaviour", boot="Pending")


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_cleanly_even_while_a_client_waits(tmp_path: Path, stop: signal.Signals) -> None:
    with running_site("mixed-rtu", tmp_path) as site:
        waiting = socket.create_connection(("127.0.0.1", int(site.http.base_url.port or 0)), 5)
        with waiting:
            waiting.sendall(b"GET /v1/events?since=99999&timeout_s=30 HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(0.3)
            start_s = time.monotonic()
            site.process.send_signal(stop)
            assert site.process.wait(10) == 0
            assert time.monotonic() - start_s < 5


def test_timeline_happens_and_its_failures_are_recorded(tmp_path: Path) -> None:
    data = scenario(
        evse(),
        arrivals=[{"at_s": 0.3, "action": "evse/1/plug_in", "body": {"max_a": 10}}],
        faults=[{"at_s": 0.1, "action": "evse/1/ev", "body": {"state": "fault"}}],
    )
    file = tmp_path / "timeline.toml"
    file.write_text(toml_of(data))
    with running_site(str(file), tmp_path / "out") as site:
        reach(site, 1, "plugged", True)
        kinds = [e["kind"] for e in site.http.get("/v1/events?since=0").json()["events"]]
        assert kinds.index("happening_failed") < kinds.index("plugged")


def test_wrong_scenario_exits_78_and_lists_all_problems(tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(toml_of(scenario(evse(circuit="x", phases=3), evse("A2", bus="nowhere"), buses=[])))
    process = start(str(file), tmp_path)
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, output) == (78, "")
    assert re.search(r"evses\.A1\.circuit: there is no x", errors)
    assert "evses.A2.bus: there is no nowhere" in errors


@pytest.mark.parametrize("address", ["nowhere", ":1", "127.0.0.1:x", "127.0.0.1:99999", "192.0.2.1:80"])
def test_address_that_cannot_be_listened_on_is_told(tmp_path: Path, address: str) -> None:
    process = start("small", tmp_path, "--control", address)
    output, errors = process.communicate(timeout=20)
    assert process.returncode in (2, 78)
    assert output == ""
    assert "--control" in errors
    assert "Traceback" not in errors


def test_other_version_can_be_asked_for(tmp_path: Path) -> None:
    with running_site("small", tmp_path, "--csms-version", "1.6") as site:
        assert tomllib.loads((site.out / "site.toml").read_text())["csms"]["version"] == "1.6"
        assert site.state()["csms"]["version"] == "1.6"


def test_foreign_csms_is_put_behind_the_network(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        url = f"ws://127.0.0.1:{foreign.getsockname()[1]}/station"
        with running_site("small", tmp_path, "--csms", url) as site:
            csms = tomllib.loads((site.out / "site.toml").read_text())["csms"]
            assert re.fullmatch(r"ws://127\.0\.0\.1:\d+/station", csms["url"])
            assert csms["lab"]
            assert site.status_of("csms/call", {"action": "Reset", "payload": {}}) == 409
            with socket.create_connection(("127.0.0.1", int(csms["url"].split(":")[2].split("/")[0])), 5) as near:
                foreign.settimeout(5)
                far, _ = foreign.accept()
                with far:
                    near.sendall(b"hello")
                    assert far.recv(5) == b"hello"
