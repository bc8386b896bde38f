"""How a fuzzed byte string reaches a decoder: cut into pieces, as a wire delivers it."""

import asyncio
import functools
from collections.abc import Iterator


def pieces(data: bytes) -> Iterator[bytes]:
    """Cut where the bytes themselves say."""
    while data:
        size = 1 + data[0] % 64
        yield data[:size]
        data = data[size:]


@functools.cache
def loop() -> asyncio.AbstractEventLoop:
    """One for all that need one; nothing runs in it between two inputs."""
    return asyncio.new_event_loop()
