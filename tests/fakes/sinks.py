"""A mail server and an HTTP server that keep what they are given."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast


@dataclass
class Sink:
    """Where a server listens, and what it got."""

    port: int
    got: list[Any] = field(default_factory=list)
    away: bool = False
    """Whether to end connections without an answer."""


@contextmanager
def http_sink(status: int = 200) -> Iterator[Sink]:
    """Keep the JSON bodies of what is posted, as (path, body); answer every request with `status` and `{}`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sink.got.append((self.path, json.loads(body)))
            self.do_GET()

        def do_GET(self) -> None:
            if sink.away:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        sink = Sink(server.server_address[1])
        with _serving(server):
            yield sink


@contextmanager
def smtp_sink(refuse: str = "") -> Iterator[Sink]:
    """Keep the mails that arrive; with `refuse`, answer every mail with that line, such as "550 no such user"."""

    class Handler(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        def handle(self) -> None:
            self.say("220 sink")
            while line := self.rfile.readline().decode().strip():
                command = line[:4].upper()
                if command == "DATA":
                    self.say("354 go on")
                    lines = iter(self.rfile.readline, b".\r\n")
                    sink.got.append(cast("EmailMessage", BytesParser(policy=default).parsebytes(b"".join(lines))))
                if command == "RCPT" and refuse:
                    self.say(refuse)
                elif command == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 ok")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        sink = Sink(server.server_address[1])
        with _serving(server):
            yield sink


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
