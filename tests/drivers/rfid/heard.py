"""What a reader under test told its sink."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from drivers.api import DeviceEvent, Health, HealthChanged, TokenRead
from drivers.profile import DeviceProfile, builtin_folder, load
from drivers.rfid.build import build_reader
from drivers.rfid.reader import Reader
from drivers.setups import ReaderSetup


def profile_of(name: str) -> DeviceProfile:
    return load(builtin_folder() / "readers" / f"{name}.toml")


def patient(name: str) -> DeviceProfile:
    """The device profile with a repeat time that a busy machine does not exceed between two looks."""
    profile = profile_of(name)
    return replace(profile, identity=profile.identity.model_copy(update={"repeat_s": 10.0}))


class Heard:
    def __init__(self) -> None:
        self.events: list[DeviceEvent] = []

    def __call__(self, event: DeviceEvent) -> None:
        self.events.append(event)

    @property
    def uids(self) -> list[str]:
        return [event.uid for event in self.events if isinstance(event, TokenRead)]

    @property
    def health(self) -> list[Health]:
        """Its changes; another reason for the same is none."""
        told = [event.health for event in self.events if isinstance(event, HealthChanged)]
        return [health for health, _ in itertools.groupby(told)]

    @property
    def texts(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, HealthChanged)]


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(15):
        while not true():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(profile: DeviceProfile, port: str, heard: Heard) -> AsyncIterator[Reader]:
    reader = build_reader(ReaderSetup("door", port, None), profile, heard)
    task = asyncio.create_task(reader.run())
    try:
        yield reader
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.wait({task})
