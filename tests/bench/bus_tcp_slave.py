"""Modbus TCP slaves in a process of their own, for the benchmark: many listeners, answers at once."""

import contextlib
import json
import selectors
import socket
import struct
import sys
from dataclasses import dataclass, field

from tests.bench.bus_slave import Memory, Tally

HEAD = struct.Struct(">HHHB")


@dataclass(slots=True)
class Client:
    connection: socket.socket
    buffer: bytes = b""


@dataclass(slots=True)
class TcpSlaves:
    memory: Memory = field(default_factory=Memory)
    tally: Tally = field(default_factory=Tally)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def listen(self) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        self.selector.register(listener, selectors.EVENT_READ)
        return int(listener.getsockname()[1])

    def run(self) -> None:
        """Until standard input ends."""
        self.selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is sys.stdin:
                    return
                if isinstance(key.data, Client):
                    self._serve(key.data)
                elif isinstance(key.fileobj, socket.socket):
                    self._accept(key.fileobj)

    def _accept(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.selector.register(connection, selectors.EVENT_READ, Client(connection))

    def _serve(self, client: Client) -> None:
        data = b""
        with contextlib.suppress(ConnectionError):
            data = client.connection.recv(4096)
        if not data:
            self.selector.unregister(client.connection)
            client.connection.close()
            return
        client.buffer += data
        while len(client.buffer) >= HEAD.size:
            transaction, protocol, length, unit = HEAD.unpack_from(client.buffer)
            if len(client.buffer) < 6 + length:
                return
            request, client.buffer = client.buffer[HEAD.size : 6 + length], client.buffer[6 + length :]
            answer = self.memory.answer(unit, request)
            client.connection.sendall(HEAD.pack(transaction, protocol, len(answer) + 1, unit) + answer)


def main() -> None:
    slaves = TcpSlaves()
    ports = [slaves.listen() for _ in range(json.loads(sys.argv[1])["count"])]
    sys.stdout.write(json.dumps({"ports": ports}) + "\n")
    sys.stdout.flush()
    slaves.run()


if __name__ == "__main__":
    main()
