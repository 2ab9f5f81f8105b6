"""Stand between a step and its log: pass every byte on, and keep the lines that are JSON objects.

Run as a program of its own, `python -I -S recorder.py FOLDER MARK ANSWER METRICS`: standard input is what the step
prints, standard output is where that went before. A program and not a thread, for three reasons: it also sees what
subprocesses and C libraries print, it does not take the step's interpreter lock, and it outlives a step that is killed,
so that the last lines are not lost. It uses the standard library alone, so it starts in about 15 ms and works in any
interpreter.

METRICS is `any`, or `prefixed` for programs whose ordinary log is JSON: then only what such a line has under `skyrail`
or `vh_metadata` is kept.

Each line kept is one line `{"at": milliseconds, "values": {...}}` in FOLDER/lines.jsonl. A line in which not everything
is a number is in FOLDER/texts.jsonl too: the step masks secrets in it before anything but the numbers is sent.
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

MAX_DEPTH = 50
"""Deepest nesting that is looked at: each reader of the record takes it apart level by level."""

WRAPPERS = ("skyrail", "vh_metadata")
"""Keys whose object says of itself that it is metrics; the second one is Valohai's."""

_OBJECT = re.compile(rb"^[ \t]*(\{.*\})[ \t\r]*$", re.MULTILINE)


class LineParser:
    """Find the lines of a byte stream that are JSON objects, however the stream is cut into chunks."""

    def __init__(self, metrics: str = "any") -> None:
        self._prefixed = metrics == "prefixed"
        self._pending = b""
        self._skipping = False
        self.too_long = 0
        """How many lines were longer than `MAX_LINE` and therefore not looked at."""

    def feed(self, chunk: bytes) -> Iterator[tuple[str, bool]]:
        """Yield the text of each JSON object among the lines that end in this chunk, and whether it is all numbers."""
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

    def finish(self) -> Iterator[tuple[str, bool]]:
        """Yield likewise for a last line without a line feed."""
        block, self._pending = self._pending, b""
        yield from self._objects(block)

    def _hold(self, rest: bytes) -> None:
        if len(rest) > MAX_LINE:
            self.too_long += 1
            self._skipping = True
            rest = b""
        self._pending = rest

    def _objects(self, block: bytes) -> Iterator[tuple[str, bool]]:
        for match in _OBJECT.finditer(block):
            if len(match.group(1)) > MAX_LINE:
                self.too_long += 1
                continue
            with contextlib.suppress(ValueError, RecursionError):  # what only looks like JSON, or is not UTF-8, is text
                text = match.group(1).decode()
                if depth(text) > MAX_DEPTH:
                    continue
                if self._prefixed:
                    if not any(wrapper in text for wrapper in WRAPPERS):  # most lines: looked at no further
                        continue
                    if not (values := wrapped(json.loads(text))):
                        continue
                    text = json.dumps(values)
                yield text, only_numbers(json.loads(text))


def wrapped(line: dict[str, object]) -> dict[str, object]:
    """Return what a line has under the keys that say it is metrics; empty when there is none."""
    found: dict[str, object] = {}
    for wrapper in WRAPPERS:
        if isinstance(inner := line.get(wrapper), dict):
            found.update(inner)
    return found


def depth(text: str) -> int:
    """Return how deep brackets nest in a text, or a bound for it when that is small."""
    level = text.count("{") + text.count("[")
    if level <= MAX_DEPTH:
        return level
    level = deepest = 0
    for character in text:
        if character in "{[":
            level += 1
            deepest = max(deepest, level)
        elif character in "}]":
            level -= 1
    return deepest


def only_numbers(value: object) -> bool:
    """Tell whether an object holds numbers alone, at any depth."""
    if type(value) is dict:
        return all(only_numbers(item) for item in value.values())
    return type(value) in (int, float, bool)


class Recording:
    """What is kept of a stream: metric lines, each at a later millisecond than the one before.

    MLflow tells points apart, and finds the last one, by their time; lines are printed faster than that.
    """

    def __init__(
        self, write: Callable[[bytes], None], write_text: Callable[[bytes], None], metrics: str = "any"
    ) -> None:
        self._write = write
        self._write_text = write_text
        self._parser = LineParser(metrics)
        self._at = 0

    def feed(self, chunk: bytes) -> None:
        """Keep the metric lines that end in this chunk."""
        self._keep(self._parser.feed(chunk))

    def finish(self) -> None:
        """Keep a last line without a line feed, and say what was not looked at."""
        self._keep(self._parser.finish())
        if self._parser.too_long:
            self._write(f'{{"at":{self._at},"too_long":{self._parser.too_long}}}\n'.encode())

    def _keep(self, objects: Iterator[tuple[str, bool]]) -> None:
        now = int(time.time() * 1000)
        lines, texts = [], []
        for text, numbers in objects:
            self._at = max(now, self._at + 1)
            lines.append(f'{{"at":{self._at},"values":{text}}}\n')
            if not numbers:
                texts.append(lines[-1])
        if lines:
            self._write("".join(lines).encode())
            self._write_text("".join(texts).encode())


class Mark:
    """Find the mark that ends the recording, in a stream cut anywhere."""

    def __init__(self, mark: bytes) -> None:
        self._mark = mark
        self._held = b""

    def feed(self, chunk: bytes) -> tuple[bytes, bytes | None]:
        """Return what comes before the mark and, once it was seen, what comes behind it."""
        data = self._held + chunk
        before, found, behind = data.partition(self._mark)
        if found:
            return before, behind
        longest = min(len(self._mark) - 1, len(data))
        held = next((n for n in range(longest, 0, -1) if self._mark.startswith(data[-n:])), 0)
        self._held = data[len(data) - held :]
        return data[: len(data) - held], None

    def rest(self) -> bytes:
        """Return what was held back when the stream ended."""
        return self._held


def record(
    read: Callable[[], bytes],
    forward: Callable[[bytes], None],
    write: Callable[[bytes], None],
    write_text: Callable[[bytes], None],
    mark: bytes,
    marked: Callable[[], None],
    metrics: str = "any",
) -> None:
    """Copy a stream until its end, writing what its metric lines say until the mark.

    Args:
        read: returns the next chunk, empty at the end.
        forward: takes all but the mark, unchanged.
        write: takes whole lines for lines.jsonl.
        write_text: takes those for texts.jsonl.
        mark: the step writes it when its function is over; children that it left running may go on printing.
        marked: is called when all lines before the mark were written, or the stream ended.
        metrics: which lines count, `any` or `prefixed`.
    """
    recording, search = Recording(write, write_text, metrics), Mark(mark)
    behind: bytes | None = None
    while chunk := read():
        if behind is not None:
            forward(chunk)
            continue
        before, behind = search.feed(chunk)
        forward(before)
        recording.feed(before)
        if behind is not None:
            recording.finish()
            marked()
            forward(behind)
    if behind is None:
        forward(search.rest())
        recording.feed(search.rest())
        recording.finish()
        marked()


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def main(folder: str, mark: str, answer: str, metrics: str = "any") -> None:
    """Record standard input. Closing the descriptor `answer` tells the step that all its lines are kept."""
    # The step decides when it is over: its end closes the pipe.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    lines = os.open(os.path.join(folder, "lines.jsonl"), flags, 0o600)  # noqa: PTH118 -- pathlib doubles the start-up time
    texts = os.open(os.path.join(folder, "texts.jsonl"), flags, 0o600)  # noqa: PTH118
    fcntl.flock(lines, fcntl.LOCK_EX)  # held until the mark: the flusher sees that more may come
    broken: set[str] = set()

    def attempt(what: str, descriptor: int, data: bytes) -> None:
        """Write, and after a first failure (disk full, log gone) never again: the other stream must go on."""
        if data and what not in broken:
            try:
                _write_all(descriptor, data)
            except OSError as error:
                broken.add(what)
                print(f"skyrail recorder: cannot write the {what}: {error}", file=sys.stderr)

    def marked() -> None:
        os.close(texts)
        os.close(lines)
        os.close(int(answer))

    record(
        read=lambda: os.read(0, 1 << 16),
        forward=lambda data: attempt("log", 1, data),
        write=lambda data: attempt("metrics", lines, data),
        write_text=lambda data: attempt("values", texts, data),
        mark=mark.encode(),
        marked=marked,
        metrics=metrics,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
