"""The life of the process: its start, what systemd is told meanwhile, crash loops, and an orderly end."""

import asyncio
import gc
import logging
import os
import signal
from pathlib import Path

from controller.allocation.compiled import is_compiled
from controller.app import App, prepare
from controller.appliance.starts import Starts
from controller.appliance.systemd import Notifier
from controller.clock import Clock
from controller.config.proof import load
from controller.config.slices import SiteConfig
from controller.store.errors import StoreError
from controller.store.store import Store

_log = logging.getLogger(__name__)

KEEP_TIME_S = 60.0
"""How often the last known time is stored, as the floor for a start without a clock (R26)."""


async def run(path: Path) -> None:
    """Run the site until SIGTERM or SIGINT. Chargers keep their setpoints and fall back by their watchdogs.

    Raises:
        ConfigError: the configuration cannot be used.
        OSError: the state folder cannot be made.
        StoreError: the store cannot be opened, or another process works in the state folder.
        RowError: the stored state of an EVSE cannot be read.
    """
    config = load(path)
    config.state_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
    store = Store(config.state_dir)
    await store.open()
    try:
        await _until_told_to_stop(path, config, store)
    finally:
        await store.close()


async def _until_told_to_stop(path: Path, config: SiteConfig, store: Store) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    clock = Clock(floor=await store.last_known_time(), syncs=await store.syncs())
    start = await prepare(store, config)
    starts = Starts(config.state_dir)
    safe_mode = starts.begin(clock.now())
    app = App(path, config, start, store=store, clock=clock)
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(serve(app, safe_mode=safe_mode))
        stopping = tasks.create_task(stop.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        working.cancel()
        stopping.cancel()
    if stop.is_set():
        starts.ended()


async def serve(app: App, *, safe_mode: bool = False) -> None:
    """Until cancelled."""
    notifier = Notifier(os.environ)
    try:
        async with app.tasks as tasks:
            app.start(safe_mode=safe_mode)
            tasks.create_task(_keep_time(app.store, app.clock), name="clock")
            tasks.create_task(notifier.feed_watchdog(app.healthy), name="watchdog")
            _log.info("%s: ready, allocation %s", app.config.id, "compiled" if is_compiled() else "in Python")
            gc.freeze()  # what was built lives as long as we do: no collection needs to look at it again
            notifier.send("READY=1")
    finally:
        notifier.send("STOPPING=1")


async def _keep_time(store: Store, clock: Clock) -> None:
    while True:
        now = clock.now()
        try:
            if now.trusted:
                await store.keep_time(now.wall)
        except StoreError as error:
            _log.warning("the time cannot be kept: %s", error)
        await asyncio.sleep(KEEP_TIME_S)
