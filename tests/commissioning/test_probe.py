"""`ampyard probe` against a device on a pty."""

import socket
from pathlib import Path

import pytest
import serial

from controller.commissioning.raw import Asked, parse, values
from controller.commissioning.wires import explain
from controller.config.problems import EXIT_CONFIG
from controller.terminal import EXIT_FAILED, EXIT_UNAVAILABLE
from drivers.api import DeviceError, Fault
from tests.commissioning.conftest import Ampyard, Ended, floats
from tests.drivers.modbus.conftest import PtyStation

METER = "eastron-sdm120"
CHARGER = "heidelberg-energy-control"


def row(ended: Ended, name: str) -> list[str]:
    return next(line.split() for line in ended.out.splitlines() if line.split()[:1] == [name])


def charger() -> dict[int, int]:
    return {5: 4, 6: 0, 10: 230, 11: 231, 12: 229, 261: 60, 262: 0, 257: 15000, 258: 4, 259: 1}


async def test_every_readable_register_is_shown_with_unit_raw_words_and_age(
    ampyard: Ampyard, wire: PtyStation
) -> None:
    wire.units[7] = floats(0, 231.5) | floats(70, 50.0)
    wire.exceptions[7, 6] = 2
    ended = await ampyard("probe", "--profile", METER, "--port", wire.port, "--unit", 7)
    assert ended.status == 0, ended.err
    name, value, unit, *raw, age = row(ended, "voltage_l1")
    assert (name, value, unit, raw) == ("voltage_l1", "231.5", "V", ["4367", "8000"])
    assert 0 <= float(age) < 60
    assert row(ended, "current_l1")[1] == "-"
    assert "exception 2, illegal address" in ended.out
    assert {asked.unit for asked in wire.asked} == {7}
    assert not wire.writes()


async def test_meanings_and_unbelievable_values_are_told(ampyard: Ampyard, wire: PtyStation) -> None:
    wire.units[1] = charger() | {6: 65, 10: 999}
    ended = await ampyard("probe", "--profile", CHARGER, "--port", wire.port)
    assert "EV, not permitted" in " ".join(row(ended, "status"))
    assert row(ended, "current_l1")[1:4] == ["6.5", "A", "0041"]
    assert "not believable" in " ".join(row(ended, "voltage_l1"))


async def test_raw_registers_need_no_profile(ampyard: Ampyard, wire: PtyStation) -> None:
    wire.units[3] = {100: 0x0001, 101: 0x0002, 102: 0xFFFF}
    ended = await ampyard(
        *("probe", "--port", wire.port, "--unit", 3),
        *("--raw", "holding:100:2:u32", "--raw", "input:100:2:u32:little", "--raw", "holding:102:1:s16"),
    )
    assert ended.out.splitlines() == [
        "holding 100  0001 0002  u32 65538",
        "input 100  0001 0002  u32 131073",
        "holding 102  FFFF  s16 -1",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("holding", "must be TABLE:ADDRESS"),
        ("registers:1", "is no table"),
        ("holding:x", "is no register number"),
        ("holding:65535:2", "holding 65536: addresses as sent go from 0 to 65535"),
        ("holding:99999", "holding 99999: addresses as sent go"),
        ("holding:1:0", "0 at once"),
        ("holding:1:126", "126 at once: one request reads 1 to 125"),
        ("holding:1:3:u32", "no whole number of values"),
        ("holding:1:1:bool", "is no type"),
        ("coil:1:1:u16", "is no type"),
        ("holding:1:2:u32:middle", "no word order"),
    ],
)
def test_raw_registers_that_cannot_be_asked_for_are_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(text)


def test_raw_texts_and_bits_are_shown_as_such() -> None:
    assert parse("coil:7:3") == Asked("coil", 7, 3, "bool", high_word_first=True)
    assert [value for *_, value in values(parse("coil:7:3"), (1, 0, 1))] == ["1", "0", "1"]
    assert list(values(parse("input:0:2:string"), (0x4142, 0x4300))) == [(0, "4142 4300", "'ABC'")]


@pytest.mark.parametrize("typed", ["", "yes\n", "y\n", "failsafe\n"])
async def test_r11_nothing_is_written_without_the_name_typed(
    typed: str, ampyard: Ampyard, wire: PtyStation
) -> None:
    wire.units[1] = charger()
    arguments = ("probe", "--profile", CHARGER, "--port", wire.port, "--write", "failsafe_current=6")
    ended = await ampyard(*arguments, typed=typed)
    assert ended.status == EXIT_FAILED
    assert wire.asked == [], "not even read"


async def test_a_confirmed_write_is_read_back(ampyard: Ampyard, wire: PtyStation) -> None:
    wire.units[1] = charger()
    arguments = ("probe", "--profile", CHARGER, "--port", wire.port, "--write", "failsafe_current=6.5")
    ended = await ampyard(*arguments, typed="failsafe_current\n")
    assert ended.status == 0, ended.err
    assert "failsafe_current: 6.5 A written and read back" in ended.out
    assert [(asked.address, asked.values) for asked in wire.writes()] == [(262, [65])]
    assert "EEPROM" in ended.err


async def test_a_write_that_is_not_kept_is_a_failure(ampyard: Ampyard, wire: PtyStation) -> None:
    wire.units[1] = charger()
    wire.ignore_writes = {262}
    arguments = ("probe", "--profile", CHARGER, "--port", wire.port, "--write", "failsafe_current=6.5")
    ended = await ampyard(*arguments, typed="failsafe_current\n")
    assert ended.status == EXIT_FAILED
    assert "NOT kept" in ended.out


@pytest.mark.parametrize(
    ("write", "said"),
    [
        ("current_limit=3", "0 or at least 6"),
        ("current_limit=99", "at most 16 A"),
        ("failsafe_current=17", "17 A is outside what it takes, which ends at 16 A"),
        ("failsafe_current=-1", "-1 A is outside what it takes, which ends at 0 A"),
        ("current_limit=6.05", "goes in steps of 0.1 A, not 6.05"),
        ("current_limit=lots", "current_limit: 'lots' is no number"),
        ("standby_control=1", "takes 0 (standby enabled), 4 (standby disabled), not 1"),
        ("voltage_l1=230", "not writable"),
        ("rcd_clear=1", "not writable"),
        ("current_limit", "NAME=VALUE"),
    ],
)
async def test_r11_what_must_not_be_written_is_refused_before_anything_is_sent(
    write: str, said: str, ampyard: Ampyard, wire: PtyStation
) -> None:
    wire.units[1] = charger()
    arguments = ("probe", "--profile", CHARGER, "--port", wire.port, "--write", write)
    ended = await ampyard(*arguments, typed=f"{write.partition('=')[0]}\n")
    assert ended.status != 0
    assert said in " ".join(ended.err.replace("│", " ").split())
    assert wire.asked == []


async def test_another_device_than_the_profile_says_is_told_and_not_written_to(
    ampyard: Ampyard, wire: PtyStation, tmp_path: Path
) -> None:
    from drivers.profile import builtin_folder

    text = (builtin_folder() / "chargers" / f"{CHARGER}.toml").read_text()
    own = tmp_path / f"{CHARGER}.toml"
    own.write_text(
        text + '\n[[probe]]\nregister = "modbus_layout_version"\nsays = "layout 1.0.8"\none_of = [264]\n'
    )
    wire.units[1] = charger() | {4: 1}
    arguments = ("probe", "--profile", own, "--port", wire.port, "--write", "failsafe_current=6")
    ended = await ampyard(*arguments, typed="failsafe_current\n")
    assert ended.status == EXIT_FAILED
    assert "NOT THIS DEVICE" in ended.err
    assert wire.writes() == []
    assert row(ended, "voltage_l2")[1] == "231", "what it reads is shown all the same"


async def test_a_silent_unit_ends_the_probe_with_what_to_check(ampyard: Ampyard, wire: PtyStation) -> None:
    ended = await ampyard("probe", "--profile", METER, "--port", wire.port, "--unit", 9)
    assert ended.status == EXIT_FAILED
    assert "no answer" in ended.err
    assert "baud rate" in ended.err


async def test_a_port_that_another_program_has_is_told(ampyard: Ampyard, wire: PtyStation) -> None:
    with serial.Serial(wire.port, exclusive=True):
        ended = await ampyard("probe", "--profile", METER, "--port", wire.port)
    assert ended.status == EXIT_UNAVAILABLE
    assert "systemctl stop ampyard" in ended.err


async def test_where_nobody_takes_connections_it_is_said_what_to_check(ampyard: Ampyard) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]
    ended = await ampyard("probe", "--profile", "keba-p30", "--host", f"127.0.0.1:{port}")
    assert ended.status == EXIT_UNAVAILABLE
    assert f"127.0.0.1:{port}" in ended.err
    assert "that Modbus TCP is switched on in its menu" in ended.err


async def test_a_unit_that_is_silent_over_tcp_is_told_without_a_word_of_baud_rates(ampyard: Ampyard) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        host = f"127.0.0.1:{mute.getsockname()[1]}"
        ended = await ampyard("probe", "--profile", "keba-p30", "--host", host)
    assert ended.status == EXIT_FAILED
    assert "unit 255 does not answer: try another --unit" in ended.err
    assert "baud" not in ended.err


async def test_a_device_that_refuses_every_register_is_another_one(ampyard: Ampyard, wire: PtyStation) -> None:
    wire.units[1] = {}
    wire.exceptions = {(1, address): 2 for address in range(0x10000)}
    ended = await ampyard("probe", "--profile", METER, "--port", wire.port)
    assert ended.status == EXIT_FAILED
    assert "NOT THIS DEVICE: no register of the profile could be read" in ended.err
    assert "exception 2, illegal address" in ended.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("--profile", METER),
        ("--profile", METER, "--port", "/dev/null", "--host", "localhost"),
        ("--port", "/dev/null"),
        ("--profile", METER, "--port", "/dev/null", "--unit", "0"),
        ("--profile", METER, "--host", "localhost", "--baud", "9600"),
        ("--profile", METER, "--host", "localhost:nowhere"),
        ("--profile", METER, "--port", "/dev/null", "--outlet", "2"),
        ("--profile", METER, "--port", "/dev/null", "--parity", "X"),
        ("--profile", "rdm6300", "--port", "/dev/null"),
    ],
)
async def test_orders_that_make_no_sense_are_refused(arguments: tuple[str, ...], ampyard: Ampyard) -> None:
    ended = await ampyard("probe", *arguments)
    assert ended.status == 2
    assert "Traceback" not in ended.err


async def test_an_unknown_profile_is_told(ampyard: Ampyard) -> None:
    ended = await ampyard("probe", "--profile", "toaster", "--port", "/dev/null")
    assert ended.status == EXIT_CONFIG
    assert "ampyard profiles list" in ended.err


@pytest.mark.parametrize("port", ["/dev/null", "/dev/no-such-port"])
async def test_what_is_no_serial_port_is_told(port: str, ampyard: Ampyard) -> None:
    ended = await ampyard("probe", "--profile", METER, "--port", port)
    assert ended.status == EXIT_UNAVAILABLE
    assert port in ended.err
    assert "Traceback" not in ended.err


async def test_the_plug_is_released_by_the_one_value_that_does_it(ampyard: Ampyard) -> None:
    ended = await ampyard("probe", "--profile", "keba-p30", "--host", "127.0.0.1:9", "--write", "unlock=1")
    assert "takes 0 (release the plug), not 1" in ended.err


async def test_a_model_without_a_serial_line_is_not_looked_for_at_a_port(
    ampyard: Ampyard, wire: PtyStation
) -> None:
    arguments = ("probe", "--profile", "keba-p30", "--port", wire.port, "--unit", 1)
    ended = await ampyard(*arguments)
    assert "keba-p30 knows no serial line" in ended.err
    assert wire.asked == []
    await ampyard(*arguments, "--baud", 9600)
    assert wire.asked, "somebody who states the line may try"


@pytest.mark.parametrize(
    ("port", "said"),
    [
        ("/dev/ttyUSB-none", "There is no such port. Is the adapter plugged in? `ls /dev/serial/by-id`"),
        ("/etc/passwd", "This is no serial port"),
        ("/etc", "This is no serial port"),
    ],
)
async def test_a_port_that_is_none_is_told_with_what_to_do(port: str, said: str, ampyard: Ampyard) -> None:
    ended = await ampyard("probe", "--profile", METER, "--port", port)
    assert ended.status == EXIT_UNAVAILABLE
    assert said in ended.err


def test_a_port_that_may_not_be_opened_is_told_with_what_to_do() -> None:
    refused = DeviceError(Fault.CLOSED, "/dev/ttyUSB0: [Errno 13] Permission denied")
    assert "sudo -u ampyard ampyard" in explain(refused)
    assert explain(DeviceError(Fault.REFUSED, "Permission denied")) == "Permission denied"


async def test_a_name_that_is_no_device_profile_is_told_with_those_like_it(ampyard: Ampyard) -> None:
    ended = await ampyard("probe", "--profile", "keba-p31", "--host", "127.0.0.1")
    assert (ended.status, "did you mean keba-p30" in ended.err) == (EXIT_CONFIG, True)
    ended = await ampyard("probe", "--profile", "infypower-v1.13", "--port", "/dev/null")
    assert (ended.status, "`ampyard scan --can` asks those" in ended.err) == (EXIT_CONFIG, True)
