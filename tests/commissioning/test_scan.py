"""What the options of `ampyard scan` mean, and what it finds on a CAN bus."""

import tomllib
from collections.abc import AsyncIterator

import pytest
import typer

from controller.commissioning.can_scan import line_of, module_tables
from controller.commissioning.scan import hosts, numbers
from controller.config.document import CanTable, StackTable
from controller.terminal import EXIT_FAILED, EXIT_UNAVAILABLE
from drivers.can.frame import Slcan, SocketCan, Socketcand
from drivers.can.module_profile import catalogue
from drivers.can.scan import Modules
from drivers.profile import builtin_folder
from drivers.setups import Endpoint
from sim.can.modules import SimInfyPower, SimUuGreen
from sim.can.ports import SlcanPty, SocketcandServer
from sim.can.source import Battery, Stage
from sim.can.wire import CanWire
from tests.commissioning.conftest import Ampyard

# Modbus


@pytest.mark.parametrize(
    ("text", "first", "count"),
    [
        ("192.168.1.0/28", Endpoint("192.168.1.1", 502), 14),
        ("192.168.1.0/30:1502", Endpoint("192.168.1.1", 1502), 2),
        ("fd00::/126", Endpoint("fd00::1", 502), 3),
        ("10.0.0.5", Endpoint("10.0.0.5", 502), 1),
        ("charger.local:1502", Endpoint("charger.local", 1502), 1),
    ],
)
def test_a_range_is_its_hosts(text: str, first: Endpoint, count: int) -> None:
    found = hosts(text)
    assert len(found) == count
    assert found[0].port == first.port
    assert found[0].host.rstrip("0123456789") == first.host.rstrip("0123456789")


@pytest.mark.parametrize("text", ["10.0.0.0/8", "10.0.0.0/99", "x/24", "10.0.0.0/24:0", "10.0.0.1:99999", "/24"])
def test_a_range_that_is_none_or_too_large_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        hosts(text)


def test_units_are_numbers_and_ranges() -> None:
    assert numbers("1-3,255,2") == [1, 2, 3, 255]
    for wrong in ("", "3-1", "256", "-1", "a", "1,,2"):
        with pytest.raises(typer.BadParameter):
            numbers(wrong)


# CAN


@pytest.fixture
async def can_wire() -> CanWire:
    wire = CanWire()
    for kind, address in ((SimInfyPower, 0), (SimInfyPower, 1), (SimUuGreen, 5)):
        kind(wire, address, Stage(Battery(), rated_a=100.0))
    return wire


@pytest.fixture
async def server(can_wire: CanWire) -> AsyncIterator[SocketcandServer]:
    opened = SocketcandServer(can_wire)
    await opened.start()
    yield opened
    await opened.stop()


@pytest.fixture
async def adapter(can_wire: CanWire) -> AsyncIterator[SlcanPty]:
    opened = SlcanPty(can_wire)
    yield opened
    opened.close()


def test_a_can_bus_is_named_in_three_ways() -> None:
    assert line_of("can0")(125_000) == SocketCan("can0", 125_000)
    assert line_of("slcan:/dev/ttyACM0")(250_000) == Slcan("/dev/ttyACM0", 250_000)
    assert line_of("socketcand:10.0.0.9/can1")(1) == Socketcand("10.0.0.9", 29536, "can1", 1)
    assert line_of("socketcand:10.0.0.9:1234/can1")(1) == Socketcand("10.0.0.9", 1234, "can1", 1)


@pytest.mark.parametrize(
    "text", ["", "slcan:", "socketcand:10.0.0.9", "socketcand:/can0", "usb:x", "socketcand:h:x/c", "/dev/ttyACM0"]
)
def test_what_names_no_can_bus_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        line_of(text)


async def test_power_modules_are_found_and_proposed(ampyard: Ampyard, server: SocketcandServer) -> None:
    ended = await ampyard("scan", "--can", f"socketcand:127.0.0.1:{server.port}/can0")
    assert ended.status == 0, ended.err
    assert "infypower-v1.13: address 0, 1" in ended.out
    data = tomllib.loads(ended.out.partition("# For site.toml")[2].partition("\n")[2])
    bus = CanTable.model_validate(data["buses"][0])
    assert (bus.interface, bus.host, bus.port, bus.channel) == ("socketcand", "127.0.0.1", server.port, "can0")
    first, second = [StackTable.model_validate(table) for table in data["power_modules"]]
    assert (first.profile, first.addresses, first.bus) == ("infypower-v1.13", (0, 1), "can-1")
    assert (second.id, second.addresses) == ("stack-2", (5,))
    assert "as the interface has it" in ended.out


@pytest.mark.parametrize("typed", ["", "yes\n"])
async def test_no_bit_rate_is_tried_that_nobody_agreed_to(
    ampyard: Ampyard, can_wire: CanWire, adapter: SlcanPty, quick: None, typed: str
) -> None:
    ended = await ampyard("scan", "--can", f"slcan:{adapter.path}", typed=typed)
    assert ended.status == EXIT_FAILED
    assert "a wrong one disturbs" in ended.err
    assert can_wire.carried == 0, "nothing was sent"


async def test_bit_rates_are_tried_once_somebody_agreed(ampyard: Ampyard, adapter: SlcanPty, quick: None) -> None:
    ended = await ampyard("scan", "--can", f"slcan:{adapter.path}", typed="ask\n")
    assert ended.status == 0, ended.err
    assert "at 125000 bit/s, infypower-v1.13: address 0, 1" in ended.out


async def test_a_bit_rate_that_was_given_is_asked_at(ampyard: Ampyard, adapter: SlcanPty, quick: None) -> None:
    ended = await ampyard("scan", "--can", f"slcan:{adapter.path}", "--bitrate", 500_000)
    assert ended.status == 0, ended.err
    assert "bitrate = 500000\n" in ended.out


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six bit rates are listened to for three seconds each otherwise."""
    from controller.commissioning import can_scan
    from drivers.can.scan import CanPatience

    monkeypatch.setattr(can_scan, "CanPatience", lambda: CanPatience(listen_s=0.1, answer_s=0.2))


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--can", "can0", "--port", "/dev/null"), 2, "say where"),
        (("--port", "/dev/null", "--bitrate", "125000"), 2, "belongs to --can"),
        (("--can", "slcan:/dev/null", "--bitrate", "123456"), 2, "no adapter has 123456"),
        (("--can", "slcan:/dev/no-such-port", "--bitrate", "125000"), EXIT_UNAVAILABLE, "cannot be opened"),
        (("--can", "no-such-can"), EXIT_UNAVAILABLE, "is it there and up?"),
    ],
)
async def test_what_cannot_be_scanned_is_told(
    ampyard: Ampyard, arguments: tuple[str, ...], status: int, said: str
) -> None:
    ended = await ampyard("scan", *arguments)
    assert ended.status == status, ended.err
    assert said in " ".join(ended.err.replace("│", " ").split())


def test_more_modules_than_may_work_together_are_several_stacks() -> None:
    model = catalogue(builtin_folder())["infypower-v1.13"]
    found = Modules(SocketCan("can0", 125_000), model, tuple(range(6)))
    stacks = tomllib.loads("\n".join(module_tables([found], rate_known=True)))["power_modules"]
    assert [stack["addresses"] for stack in stacks] == [[0, 1, 2, 3], [4, 5]]
    assert [stack["evse"] for stack in stacks] == ["evse-1", "evse-2"]
