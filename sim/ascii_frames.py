"""Modbus ASCII as a slave speaks it: ':' and two digits for each byte, a checksum, CR LF."""


def sealed(body: bytes) -> bytes:
    """Unit and PDU as they go over the line."""
    check = (0x100 - sum(body) % 0x100) % 0x100
    return b":" + bytes([*body, check]).hex().upper().encode("ascii") + b"\r\n"


def spoilt(body: bytes) -> bytes:
    """The same with a wrong checksum."""
    good = sealed(body)
    digit = b"0" if good[-3:-2] != b"0" else b"1"
    return good[:-3] + digit + good[-2:]


def body_of(line: bytes) -> bytes | None:
    """Unit and PDU of what came before a CR LF; None for what is no frame."""
    digits = line.rpartition(b":")[2]
    try:
        data = bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        return None
    return data[:-1] if b":" in line and len(data) >= 4 and sum(data) % 0x100 == 0 else None
