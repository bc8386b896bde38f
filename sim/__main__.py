"""`python -m sim SCENARIO`: a simulated site in a process of its own."""

import argparse
import asyncio
import contextlib
import signal
import socket
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from sim.actions import Actions, BadRequestError, NotFoundError
from sim.control import build_app, serving
from sim.scenario import Scenario, ScenarioError
from sim.scenario_file import VERSIONS, load_scenario
from sim.site_file import write_site
from sim.upstream import Upstream
from sim.world import NotNowError, World

EX_CONFIG = 78


def main() -> int:
    arguments = _parser().parse_args()
    try:
        scenario = _with_version(load_scenario(arguments.scenario), arguments.csms_version)
    except ScenarioError as fault:
        for problem in fault.problems:
            _say(sys.stderr, problem)
        return EX_CONFIG
    try:
        listener = socket.create_server(arguments.control)
    except OSError as fault:
        _say(sys.stderr, f"--control: {fault}")
        return EX_CONFIG
    with listener, contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_simulate(scenario, arguments, listener))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sim", description="Simulates a charging site and its CSMS.")
    parser.add_argument("scenario", metavar="SCENARIO", help="name of a shipped scenario, or path of a file")
    parser.add_argument(
        "--control", default=("127.0.0.1", 0), type=_address, metavar="HOST:PORT", help="where to listen"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where site.toml goes (default: a new folder)")
    parser.add_argument("--csms", metavar="URL", help="a foreign CSMS instead of the built-in one")
    parser.add_argument("--csms-version", choices=VERSIONS, help="another version than the scenario's")
    return parser


def _with_version(scenario: Scenario, version: str | None) -> Scenario:
    if version is None or scenario.csms is None:
        return scenario
    return replace(scenario, csms=replace(scenario.csms, version=version))


async def _simulate(scenario: Scenario, arguments: argparse.Namespace, listener: socket.socket) -> None:
    out: Path = arguments.out or Path(tempfile.mkdtemp(prefix="ampyard-sim-"))
    await asyncio.to_thread(out.mkdir, parents=True, exist_ok=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    world = World(scenario)
    upstream = Upstream(scenario, out, foreign_url=arguments.csms)
    actions = Actions(world, upstream)
    try:
        await world.start()
        await upstream.start()
        web = write_site(world, upstream, out)
        closing = asyncio.Event()
        app = build_app(world, upstream, actions, closing=closing)
        async with serving(app, listener, closing), asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(world.run()), tasks.create_task(_timeline(world, actions))]
            host, port = listener.getsockname()[:2]
            _say(sys.stdout, f"SIM http://{host}:{port}")
            _say(sys.stderr, f"site.toml is in {out}; the controller's pages will be at {web}")
            await stop.wait()
            for task in running:
                task.cancel()
    finally:
        await actions.close()
        await upstream.stop()
        await world.stop()


def _say(stream: TextIO, line: str) -> None:
    stream.write(line + "\n")
    stream.flush()


async def _timeline(world: World, actions: Actions) -> None:
    """Do what the scenario says at its times; what is not possible then is recorded and left out."""
    for happening in world.scenario.happenings:
        await world.clock.sleep(happening.at_s - world.clock.now_s)
        try:
            await actions.perform(happening.action, happening.body)
        except (BadRequestError, NotFoundError, NotNowError) as fault:
            world.log.add("happening_failed", action=happening.action, text=str(fault))


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT")
    return host, int(port)


if __name__ == "__main__":
    sys.exit(main())
