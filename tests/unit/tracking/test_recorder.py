"""The recorder passes every byte on and keeps the lines that are JSON objects."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrail.tracking import recorder
from skyrail.tracking.recorder import MAX_LINE, LineParser

LONG = b'{"x": "' + b"a" * 10_000_000 + b'"}'


def kept(stream: bytes, chunk: int, metrics: str = "any") -> list[str]:
    parser = LineParser(metrics)
    found = [text for start in range(0, len(stream), chunk) for text, _ in parser.feed(stream[start : start + chunk])]
    return found + [text for text, _ in parser.finish()]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        pytest.param(b'{"loss": 0.5}\n', ['{"loss": 0.5}'], id="00 a JSON object is a metric line"),
        pytest.param(b'  \t{"loss": 0.5}  \r\n', ['{"loss": 0.5}'], id="01 blanks around it do not matter"),
        pytest.param(b'{"loss": 0.5}', ['{"loss": 0.5}'], id="02 a last line needs no line feed"),
        pytest.param(b'{"a": 1}\n{"b": 2}\n', ['{"a": 1}', '{"b": 2}'], id="03 order is kept"),
        pytest.param(b'{"a": {"b": [1]}}\n', ['{"a": {"b": [1]}}'], id="04 at any depth"),
        pytest.param(b'{"loss": NaN, "x": Infinity}\n', ['{"loss": NaN, "x": Infinity}'], id="05 NaN and infinity"),
        pytest.param('{"größe": 1}\n'.encode(), ['{"größe": 1}'], id="06 any text in UTF-8"),
        pytest.param(b"epoch 3: loss 0.5\n", [], id="10 other text is not"),
        pytest.param(b'loss: {"a": 1}\n', [], id="11 nor an object behind text"),
        pytest.param(b'[1, 2]\n3\n"x"\nnull\n', [], id="12 nor other JSON"),
        pytest.param(b"{'a': 1}\n", [], id="13 nor a Python dict"),
        pytest.param(b'{"a": 1\n', [], id="14 nor an object that is cut"),
        pytest.param(b'{"a": 1}{"b": 2}\n', [], id="15 nor two in one line"),
        pytest.param(b'{"a": "\xff\xfe"}\n{"b": 2}\n', ['{"b": 2}'], id="20 invalid UTF-8 costs its own line only"),
        pytest.param(LONG + b'\n{"b": 2}\n', ['{"b": 2}'], id="21 so does a line of 10 MB"),
        pytest.param(b'{"a": ' * 960 + b"1" + b"}" * 960 + b'\n{"b": 2}\n', ['{"b": 2}'], id="22 and a nest too deep"),
        pytest.param(b"{" * 100_000 + b'}\n{"b": 2}\n', ['{"b": 2}'], id="23 or deeper still"),
        pytest.param(
            b'{"m": [' + b"[1]," * 99 + b"[1]]}\n", ['{"m": [' + "[1]," * 99 + "[1]]}"], id="24 wide is not deep"
        ),
        pytest.param(b"\x00\x01\x1b[31m\n\n\n", [], id="25 binary output harms nothing"),
        pytest.param(b"", [], id="30 a step may print nothing"),
    ],
)
@pytest.mark.parametrize("chunk", [1 << 16, 7], ids=["pipe-sized chunks", "small chunks"])
def test_which_lines_are_metrics(stream: bytes, expected: list[str], chunk: int):
    """However the stream is cut, exactly the lines that are JSON objects are kept."""
    if len(stream) > 1_000_000:
        chunk = 1 << 16
    assert kept(stream, chunk) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(b'{"loss": 0.5}', [], id="00 a program's own log"),
        pytest.param(b'{"level": "info", "message": "vh_metadata"}', [], id="01 that mentions the word"),
        pytest.param(b'{"a": {"skyrail": {"b": 1}}}', [], id="02 not on the line itself"),
        pytest.param(b'{"skyrail": {"loss": 0.5}}', [{"loss": 0.5}], id="10 metrics, said to be"),
        pytest.param(
            b'{"vh_metadata": {"loss": 0.5, "step": 1}}', [{"loss": 0.5, "step": 1}], id="11 in Valohai's way"
        ),
        pytest.param(b'{"skyrail": {"a": NaN}, "level": "info"}', [{"a": "NaN"}], id="12 beside other things"),
        pytest.param(b'{"skyrail": 3}', [], id="13 no object"),
        pytest.param(b'{"skyrail": {}}', [], id="14 an empty one"),
    ],
)
def test_only_lines_that_say_so_count_when_asked_for(line: bytes, expected: list[Any]):
    """With metrics="prefixed" a program whose log is JSON can be a step: its log is no metrics."""
    found = [json.loads(text, parse_constant=str) for text in kept(line + b"\n", 1 << 16, "prefixed")]
    assert found == expected


@given(
    st.lists(st.one_of(st.text(), st.dictionaries(st.text(), st.integers()).map(json.dumps))),
    st.integers(min_value=1, max_value=64),
)
def test_cutting_a_stream_changes_nothing(lines: list[str], chunk: int):
    """Any stream gives the same lines in one piece and in many."""
    stream = "\n".join(lines).encode("utf-8", "surrogatepass")
    assert kept(stream, chunk) == kept(stream, max(len(stream), 1))


def test_a_line_too_long_is_counted():
    """What was not looked at is said, not hidden."""
    parser = LineParser()
    assert list(parser.feed(b"{" + b" " * (2 * MAX_LINE))) == []
    assert list(parser.feed(b"}\n")) == []
    assert parser.too_long == 1


MARK = "\x01the-end\x01"


def start(folder: Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start the program as a step does."""
    answer = os.open(os.devnull, os.O_WRONLY)
    command = [sys.executable, "-I", "-S", recorder.__file__, str(folder), MARK, str(answer)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    process = subprocess.Popen(command, pass_fds=[answer], **pipes)
    os.close(answer)
    return process


def run(stream: bytes, folder: Path) -> subprocess.CompletedProcess[bytes]:
    process = start(folder)
    out, err = process.communicate(stream)
    assert process.returncode == 0, err
    return subprocess.CompletedProcess([], 0, out, err)


def values(folder: Path, name: str = "lines.jsonl") -> list[Any]:
    return [json.loads(line)["values"] for line in (folder / name).read_text().splitlines()]


def test_every_byte_reaches_the_log(tmp_path: Path):
    """A million lines, some of them metrics, some broken, arrive unchanged; the metrics are kept."""
    stream = b"".join(b'{"step": %d}\n' % i if i % 1000 == 0 else b"line %d \xff\n" % i for i in range(1_000_000))
    done = run(stream, tmp_path)
    assert done.stdout == stream
    assert values(tmp_path) == [{"step": i} for i in range(0, 1_000_000, 1000)]


def test_a_full_disk_does_not_stop_the_log(tmp_path: Path):
    """When metrics cannot be written, the output goes on, and the reason is said once."""
    (tmp_path / "lines.jsonl").symlink_to("/dev/full")
    done = run(b'{"a": 1}\ntext\n{"b": 2}\n', tmp_path)
    assert done.stdout == b'{"a": 1}\ntext\n{"b": 2}\n'
    assert done.stderr.count(b"cannot write the metrics") == 1


def test_a_lost_log_does_not_stop_the_metrics(tmp_path: Path):
    """When the log is gone, metrics are kept all the same."""
    process = start(tmp_path, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.close()
    process.stdin.write(b'text\n{"a": 1}\n')
    process.stdin.close()
    assert process.wait(10) == 0
    assert values(tmp_path) == [{"a": 1}]


def test_each_line_has_a_moment_of_its_own(tmp_path: Path):
    """However fast they are printed, lines stay apart and in order, and the last one is the latest."""
    run(b'{"loss": 0.9}\n{"loss": 0.3}\n{"loss": 0.3}\n' * 500, tmp_path)
    moments = [json.loads(line)["at"] for line in (tmp_path / "lines.jsonl").read_text().splitlines()]
    assert len(set(moments)) == 1500
    assert moments == sorted(moments)


def test_lines_with_more_than_numbers_are_set_apart(tmp_path: Path):
    """The step masks secrets in them before they go anywhere."""
    run(b'{"a": 1, "b": {"c": true}}\n{"a": "text: 12:30"}\n{"a": [1]}\n{"a": null}\n', tmp_path)
    assert values(tmp_path, "texts.jsonl") == [{"a": "text: 12:30"}, {"a": [1]}, {"a": None}]
    assert len(values(tmp_path)) == 4


@given(st.binary(max_size=60), st.binary(max_size=60), st.integers(min_value=1, max_value=20))
def test_the_mark_is_found_however_the_stream_is_cut(before: bytes, behind: bytes, chunk: int):
    """What comes before the mark is recorded, what comes behind it only passed on, and the mark itself is not seen."""
    mark = MARK.encode()
    stream = before.replace(b"\x01", b"") + mark + behind
    chunks = [stream[start : start + chunk] for start in range(0, len(stream), chunk)] + [b""]
    forwarded, marks = [], []
    recorder.record(
        lambda: chunks.pop(0), forwarded.append, lambda _: None, lambda _: None, mark, lambda: marks.append(1)
    )
    assert b"".join(forwarded) == before.replace(b"\x01", b"") + behind
    assert marks == [1]
