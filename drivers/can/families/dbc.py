"""cantools with plain numbers: what a DBC file's messages mean, and an error of ours where they mean nothing."""

import cantools
from cantools.database.can import Message

from drivers.api import DeviceError, Fault


def numbers_of(message: Message, data: bytes) -> dict[str, float] | None:
    """Signals by name, scaled. None: a frame whose multiplexer the DBC file does not know.

    Raises:
        DeviceError: too short.
    """
    if len(data) < message.length:
        raise DeviceError(Fault.DATA, f"{message.name}: {len(data)} bytes, not {message.length}")
    try:
        values = message.decode_simple(data, decode_choices=False)
    except cantools.database.errors.DecodeError:
        return None
    return {name: value for name, value in values.items() if isinstance(value, int | float)}


def bytes_of(message: Message, values: dict[str, float]) -> bytes:
    """Raises ValueError where a value does not fit: a caller's mistake, not a device's."""
    try:
        return bytes(message.encode(values, strict=False))
    except (cantools.database.errors.EncodeError, OverflowError) as error:
        raise ValueError(f"{message.name} cannot carry {values}: {error}") from error
