"""A reader that plays a keyboard. The kernel's input device is played by a FIFO with the same records in it."""

import asyncio
import errno
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import evdev
import pytest

from drivers.api import Feedback, Health
from drivers.profile import ProfileError, builtin_folder, load
from drivers.rfid.build import lines_of
from tests.drivers.rfid.heard import Heard, profile_of, running, until

KEY_OF = {"1": 2, "2": 3, "3": 4, "4": 5, "5": 6, "6": 7, "7": 8, "8": 9, "9": 10, "0": 11}
KEY_OF |= {"A": 30, "B": 48, "C": 46, "D": 32, "E": 18, "F": 33, "\n": 28}


class Kernel:
    """What the kernel knows of the device at one path; `keys` is what it says of itself."""

    def __init__(self, port: Path) -> None:
        self.port = port
        self.keys = [*KEY_OF.values()]
        self.grabbed = 0
        self.taken = False
        self._fd = -1

    def plug(self) -> None:
        os.mkfifo(self.port)
        self._fd = os.open(self.port, os.O_RDWR | os.O_NONBLOCK)

    def unplug(self) -> None:
        if self._fd >= 0:
            self.port.unlink()
            os.close(self._fd)
        self._fd = -1

    def event(self, kind: int, code: int, value: int) -> None:
        os.write(self._fd, struct.pack("llHHi", 0, 0, kind, code, value))

    def types(self, text: str) -> None:
        for character in text:
            for value in (1, 0):
                self.event(1, KEY_OF[character], value)
                self.event(0, 0, 0)


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    made = Kernel(tmp_path / "usb-reader-event-kbd")

    class Device(evdev.InputDevice[str]):
        """Opens and reads like the library's own; the ioctls of a real device are answered here."""

        def __init__(self, dev: str) -> None:
            self.path = dev
            self.fd = os.open(dev, os.O_RDONLY | os.O_NONBLOCK)

        def capabilities(self, *_: Any, **__: Any) -> Any:
            return {0: [0, 1], 1: made.keys}

        def grab(self) -> None:
            if made.taken:
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
            made.grabbed += 1

        def read(self) -> Iterator[evdev.InputEvent]:
            if not made.port.exists():
                raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
            return super().read()

    monkeypatch.setattr(evdev, "InputDevice", Device)
    yield made
    made.unplug()


async def test_what_it_types_is_a_tap_and_the_device_is_grabbed(kernel: Kernel) -> None:
    heard = Heard()
    kernel.plug()
    async with running(profile_of("keyboard"), str(kernel.port), heard) as reader:
        await until(lambda: heard.health == [Health.OK])
        assert kernel.grabbed == 1
        kernel.types("04A1B2")
        await asyncio.sleep(0.05)
        kernel.types("C3D4E5F6\n")
        await until(lambda: heard.uids)
        assert heard.uids == ["04A1B2C3D4E5F6"]
        await reader.show(Feedback.ACCEPTED)


async def test_ten_decimal_digits_are_read_where_a_device_profile_says_so(kernel: Kernel, tmp_path: Path) -> None:
    text = (builtin_folder() / "readers" / "keyboard.toml").read_text()
    path = tmp_path / "decimal.toml"
    path.write_text(text.replace('"keyboard"\nv', '"decimal"\nv').replace('"hex"', '"decimal"'))
    heard = Heard()
    kernel.plug()
    async with running(load(path), str(kernel.port), heard):
        await until(lambda: heard.health == [Health.OK])
        kernel.types("0011259375\n")
        await until(lambda: heard.uids)
        assert heard.uids == ["00ABCDEF"]


async def test_a_card_that_is_typed_again_and_again_is_one_tap(kernel: Kernel) -> None:
    heard = Heard()
    kernel.plug()
    async with running(profile_of("keyboard"), str(kernel.port), heard):
        await until(lambda: heard.health == [Health.OK])
        kernel.types("04A1B2C3\n04A1B2C3\n14A1B2C3\n")
        await until(lambda: len(heard.uids) == 2)
        assert heard.uids == ["04A1B2C3", "14A1B2C3"]


async def test_a_line_that_lost_its_end_is_not_the_head_of_the_next(kernel: Kernel) -> None:
    heard = Heard()
    kernel.plug()
    async with running(profile_of("keyboard"), str(kernel.port), heard):
        await until(lambda: heard.health == [Health.OK])
        kernel.types("04A1B2")
        await asyncio.sleep(2)
        kernel.types("14A1B2C3\n")
        await until(lambda: heard.uids)
        assert heard.uids == ["14A1B2C3"]


async def test_the_tail_of_what_is_typed_while_it_is_opened_is_no_card(kernel: Kernel) -> None:
    heard = Heard()
    kernel.plug()
    async with running(profile_of("keyboard"), str(kernel.port), heard):
        await until(lambda: kernel.grabbed)
        for key in "C3D4E5F6\n":  # of a card that lay there when it was plugged in: 04A1B2C3D4E5F6
            kernel.types(key)
            await asyncio.sleep(0.02)
        await until(lambda: heard.health == [Health.OK])
        kernel.types("14A1B2C3\n")
        await until(lambda: heard.uids)
        assert heard.uids == ["14A1B2C3"]


async def test_a_line_that_came_while_the_loop_was_busy_is_read_as_a_whole(kernel: Kernel) -> None:
    heard = Heard()
    kernel.plug()
    async with running(profile_of("keyboard"), str(kernel.port), heard):
        await until(lambda: heard.health == [Health.OK])
        kernel.types("04A1B2")
        await asyncio.sleep(0.1)
        time.sleep(1.3)
        kernel.types("C3D4E5F6\n")
        await until(lambda: heard.uids)
        assert heard.uids == ["04A1B2C3D4E5F6"]


async def test_lost_events_cost_their_line_only(kernel: Kernel) -> None:
    heard = Heard()
    kernel.plug()
    async with running(profile_of("keyboard"), str(kernel.port), heard):
        await until(lambda: heard.health == [Health.OK])
        kernel.types("04A1")
        kernel.event(0, 3, 0)
        kernel.types("B2C3\n14A1B2C3\n")
        await until(lambda: heard.uids)
        assert heard.uids == ["14A1B2C3"]


async def test_a_reader_that_was_pulled_out_is_found_again_within_five_seconds(kernel: Kernel) -> None:
    heard = Heard()
    kernel.plug()
    async with running(profile_of("keyboard"), str(kernel.port), heard) as reader:
        await until(lambda: heard.health == [Health.OK])
        kernel.types("04A1")
        await asyncio.sleep(0.1)
        kernel.unplug()
        await until(lambda: reader.health is Health.LOST)
        await asyncio.sleep(1.2)
        loop = asyncio.get_running_loop()
        kernel.plug()
        back_s = loop.time()
        await until(lambda: reader.health is Health.OK)
        assert loop.time() - back_s < 5
        kernel.types("14A1B2C3\n")
        await until(lambda: heard.uids)
        assert heard.uids == ["14A1B2C3"]
        assert heard.health == [Health.OK, Health.LOST, Health.OK]
        assert kernel.grabbed == 2


async def test_a_device_without_an_enter_key_is_refused_with_words(kernel: Kernel) -> None:
    heard = Heard()
    kernel.keys = [0x110, 0x111]
    kernel.plug()
    async with running(profile_of("keyboard"), str(kernel.port), heard) as reader:
        await until(lambda: reader.health is Health.LOST)
        assert "by-id" in heard.texts[0]
        assert kernel.grabbed == 0


async def test_a_device_that_another_program_has_is_tried_until_it_is_free(kernel: Kernel) -> None:
    heard = Heard()
    kernel.taken = True
    kernel.plug()
    async with running(profile_of("keyboard"), str(kernel.port), heard) as reader:
        await until(lambda: reader.health is Health.LOST)
        assert "another program" in heard.texts[0]
        kernel.taken = False
        await until(lambda: reader.health is Health.OK)


async def test_a_file_that_is_no_input_device_is_told_and_not_believed(tmp_path: Path) -> None:
    heard = Heard()
    (tmp_path / "file").write_bytes(b"04A1B2C3\n")
    async with running(profile_of("keyboard"), str(tmp_path / "file"), heard) as reader:
        await until(lambda: reader.health is Health.LOST)
        assert heard.uids == []


def test_a_device_profile_of_a_serial_reader_is_refused() -> None:
    with pytest.raises(ValueError, match="rdm6300"):
        lines_of(profile_of("rdm6300"))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (('[ascii]\ndigits = "hex"\nreverse_bytes = false\n', ""), "ascii: missing"),
        (("[ascii]", '[serial]\nbaud = 9600\nparity = "N"\nstop_bits = 1\n[ascii]'), "serial: is not for"),
        (("repeat_s", "reverse_bytes = true\nrepeat_s"), "reverse_bytes: is not for"),
    ],
)
def test_its_device_profile_says_what_it_types_and_no_more(
    tmp_path: Path, change: tuple[str, str], problem: str
) -> None:
    text = (builtin_folder() / "readers" / "keyboard.toml").read_text()
    at = text.index("repeat_s = 1.0")
    path = tmp_path / "keyboard.toml"
    path.write_text(text[:at] + text[at:].replace(*change, 1))
    with pytest.raises(ProfileError, match=problem):
        load(path)
