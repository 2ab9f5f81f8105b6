"""Stand between a step and its log: pass every byte on, and keep the lines that are JSON objects.

Run as a program of its own, `python -I -S recorder.py LINES_FILE`: standard input is what the step prints, standard
output is where that went before. A program and not a thread, for three reasons: it also sees what subprocesses and C
libraries print, it does not take the step's interpreter lock, and it outlives a step that is killed, so that the last
lines are not lost. It uses the standard library alone, so it starts in about 15 ms and works in any interpreter.

Each line kept is one line `{"at": milliseconds, "values": {...}}` in LINES_FILE.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator

MAX_LINE = 1 << 20
"""Longest line, in bytes, that is looked at. A metric line is a few hundred bytes; 1 MiB leaves room for arrays."""

_OBJECT = re.compile(rb"^[ \t]*(\{.*\})[ \t\r]*$", re.MULTILINE)


class LineParser:
    """Find the lines of a byte stream that are JSON objects, however the stream is cut into chunks."""

    def __init__(self) -> None:
        self._pending = b""
        self._skipping = False
        self.too_long = 0
        """How many lines were longer than `MAX_LINE` and therefore not looked at."""

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Yield the text of each JSON object among the lines that end in this chunk."""
        if self._skipping:
            _, newline, chunk = chunk.partition(b"\n")
            if not newline:
                return
            self._skipping = False
        # Searching only the new chunk keeps a long line without an end from being searched again and again.
        end = chunk.rfind(b"\n")
        if end < 0:
            self._hold(self._pending + chunk)
            return
        block, rest = self._pending + chunk[:end], chunk[end + 1 :]
        self._pending = b""
        yield from self._objects(block)
        self._hold(rest)

    def finish(self) -> Iterator[str]:
        """Yield the text of a last line that is a JSON object and has no line feed."""
        block, self._pending = self._pending, b""
        yield from self._objects(block)

    def _hold(self, rest: bytes) -> None:
        if len(rest) > MAX_LINE:
            self.too_long += 1
            self._skipping = True
            rest = b""
        self._pending = rest

    def _objects(self, block: bytes) -> Iterator[str]:
        for match in _OBJECT.finditer(block):
            if len(match.group(1)) > MAX_LINE:
                self.too_long += 1
                continue
            with contextlib.suppress(ValueError, RecursionError):  # what only looks like JSON, or is not UTF-8, is text
                text = match.group(1).decode()
                json.loads(text)
                yield text


def record(read: Callable[[], bytes], forward: Callable[[bytes], None], write: Callable[[bytes], None]) -> None:
    """Copy a stream until its end, writing what its metric lines say.

    Args:
        read: returns the next chunk, empty at the end.
        forward: takes each chunk unchanged.
        write: takes whole lines for LINES_FILE.
    """
    parser = LineParser()

    def keep(objects: Iterator[str]) -> None:
        at = int(time.time() * 1000)
        lines = "".join(f'{{"at":{at},"values":{text}}}\n' for text in objects)
        if lines:
            write(lines.encode())

    while chunk := read():
        forward(chunk)
        keep(parser.feed(chunk))
    keep(parser.finish())
    if parser.too_long:
        write((json.dumps({"at": int(time.time() * 1000), "too_long": parser.too_long}) + "\n").encode())


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def main(lines_file: str) -> None:
    """Record standard input until its end."""
    # The step decides when it is over: its end closes the pipe.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    lines = os.open(lines_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    fcntl.flock(lines, fcntl.LOCK_EX)  # held until the end: the flusher sees that more may come
    broken: set[str] = set()

    def attempt(what: str, descriptor: int, data: bytes) -> None:
        """Write, and after a first failure (disk full, log gone) never again: the other stream must go on."""
        if what not in broken:
            try:
                _write_all(descriptor, data)
            except OSError as error:
                broken.add(what)
                print(f"skyrail recorder: cannot write the {what}: {error}", file=sys.stderr)

    record(
        read=lambda: os.read(0, 1 << 16),
        forward=lambda data: attempt("log", 1, data),
        write=lambda data: attempt("metrics", lines, data),
    )


if __name__ == "__main__":
    main(sys.argv[1])
