"""An event loop whose time jumps to the next timer: hours of a wire in seconds, never a race with the machine."""

import asyncio
import selectors
from collections.abc import Callable, Mapping
from typing import Any


class Jumping(selectors.BaseSelector):
    """Nothing is ever ready; waiting costs no time but the loop's."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, 0, None)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits, and nothing will ever happen")
        self.now_s += timeout
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {}


class VirtualLoop(asyncio.SelectorEventLoop):
    """`connect` stands for the network: it is asked for each connection."""

    def __init__(self, connect: Callable[[asyncio.Protocol], asyncio.Transport] | None = None) -> None:
        self._jumping = Jumping()
        self._connect = connect
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s

    async def create_connection(self, protocol_factory: Any, *args: Any, **kwargs: Any) -> Any:
        if self._connect is None:
            raise OSError("no network here")
        protocol = protocol_factory()
        transport = self._connect(protocol)
        protocol.connection_made(transport)
        return transport, protocol


class LoopAlarm:
    """An alarm by the loop's own timers, which are exact here."""

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None

    def at(self, when_s: float, then: Callable[[], None]) -> None:
        self.cancel()
        self._handle = asyncio.get_running_loop().call_at(when_s, then)

    def cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def close(self) -> None:
        self.cancel()


def run_virtually(main: Any, *, connect: Callable[[asyncio.Protocol], asyncio.Transport] | None = None) -> Any:
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(connect)) as runner:
        return runner.run(main)
