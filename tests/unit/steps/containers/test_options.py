"""What image= and command= may be is decided when the DAG file is read."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from skyrail.errors import StepError
from skyrail.steps.containers.command import fill, placeholders
from skyrail.steps.containers.options import check, has_no_body

DIGEST = "sha256:" + "0" * 64


def train(data, rate: float = 0.1): ...


def with_body(data, rate: float = 0.1):
    return data


def any_arguments(*data): ...


async def waits(data): ...


def generates(data):
    yield


@pytest.mark.parametrize(
    ("image", "command", "function", "stored"),
    [
        pytest.param("train", ["./train.sh"], train, ("train", ("./train.sh",)), id="00 an image and a command"),
        pytest.param(None, ("./train.sh",), train, ("", ("./train.sh",)), id="01 a program of this machine"),
        pytest.param("train", None, with_body, ("train", ()), id="02 a function in an image"),
        pytest.param("r.example:5000/a/b:1.2", ["x"], train, ("r.example:5000/a/b:1.2", ("x",)), id="10 tag"),
        pytest.param(f"r.example/b@{DIGEST}", ["x"], train, (f"r.example/b@{DIGEST}", ("x",)), id="11 digest"),
        pytest.param(f"b:1@{DIGEST}", ["x"], train, (f"b:1@{DIGEST}", ("x",)), id="12 both"),
        pytest.param(DIGEST, ["x"], train, (DIGEST, ("x",)), id="13 an image's id"),
        pytest.param("b", ["x", "-r={rate}", "{data}"], train, ("b", ("x", "-r={rate}", "{data}")), id="20 name"),
        pytest.param("b", ["sh", "-c", "echo ${HOME}"], train, ("b", ("sh", "-c", "echo ${HOME}")), id="21 a shell's"),
        pytest.param("b", ["x", "{{other}}"], train, ("b", ("x", "{{other}}")), id="22 braces themselves"),
        pytest.param("b", ["x", '{"a": 1}'], train, ("b", ("x", '{"a": 1}')), id="23 JSON is no name"),
    ],
)  # fmt: skip
def test_what_is_said_is_stored(image: Any, command: Any, function: Any, stored: Any):
    """An image by name, tag, digest or id; a command as a list, with the function's arguments in braces."""
    assert check("train", image=image, command=command, function=function) == stored


@pytest.mark.parametrize(
    ("image", "command", "function", "says"),
    [
        pytest.param("", ["x"], train, "image=''", id="00 no image"),
        pytest.param("Train", ["x"], train, "(all lower case)", id="01 upper case"),
        pytest.param("a b", ["x"], train, "no name of an image", id="02 a blank"),
        pytest.param("-v/:/host", ["x"], train, "no name of an image", id="03 an option of the engine"),
        pytest.param(5, ["x"], train, "image=5", id="04 no text"),
        pytest.param("a@sha256:12", ["x"], train, "no name of an image", id="05 half a digest"),
        pytest.param(None, "echo a | wc", train, 'command=["sh", "-c", \'echo a | wc\']', id="10 a text"),
        pytest.param(None, [], train, "Write a list of texts", id="11 nothing"),
        pytest.param(None, ["x", 1], train, "Write a list of texts", id="12 a number"),
        pytest.param(None, [""], train, "no system can start", id="13 a program without a name"),
        pytest.param(None, ["x", "a\0b"], train, "no system can start", id="14 NUL"),
        pytest.param(None, ["x", "{rat}"], train, "Did you mean {rate}?", id="20 a name misspelt"),
        pytest.param(None, ["x", "{zzz}"], train, "It takes data, rate.", id="21 a name of nothing"),
        pytest.param(None, ["x", "{zzz}"], lambda: None, "It takes no arguments.", id="22 of nothing at all"),
        pytest.param(None, ["x", "{{ ds }}"], train, "write {day} in the command", id="23 a template"),
        pytest.param(None, ["x"], with_body, "would never run", id="30 a body"),
        pytest.param(None, ["x"], waits, "would never run", id="31 a coroutine"),
        pytest.param(None, ["x"], generates, "would never run", id="32 a generator"),
        pytest.param(None, ["x"], any_arguments, "Name each argument", id="33 any arguments"),
        pytest.param("b", None, train, "its function has no body", id="34 nothing to run in the image"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(image: Any, command: Any, function: Any, says: str):
    """Each mistake has a sentence that names the step, and what to write instead."""
    with pytest.raises(StepError) as error:
        check("train", image=image, command=command, function=function)
    assert "'train'" in error.value.message
    assert says in str(error.value)
    assert error.value.fix


def only_text(data):
    """Train a model."""


def only_pass(data):
    pass


def text_and_more(data):
    """Train a model."""
    return 1


def assigns(data):
    x = 1  # noqa: F841


@pytest.mark.parametrize(
    ("function", "empty"),
    [
        pytest.param(train, True, id="00 ..."),
        pytest.param(only_text, True, id="01 a docstring"),
        pytest.param(only_pass, True, id="02 pass"),
        pytest.param(text_and_more, False, id="10 a value returned"),
        pytest.param(assigns, False, id="11 an assignment"),
        pytest.param(generates, False, id="12 a generator"),
    ],
)
def test_a_function_without_a_body(function: Any, empty: bool):
    """Nothing but `...`, `pass` or a docstring is no body."""
    assert has_no_body(function) is empty


@pytest.mark.parametrize(
    ("item", "values", "filled"),
    [
        pytest.param("{a}", {"a": "x y"}, "x y", id="00 text as it stands"),
        pytest.param("--a={a}-{b}", {"a": 1, "b": 0.1}, "--a=1-0.1", id="01 several"),
        pytest.param("{a}", {"a": True}, "true", id="10 JSON's words"),
        pytest.param("{a}", {"a": None}, "null", id="11 nothing"),
        pytest.param("{a}", {"a": [1, {"b": "c"}]}, '[1, {"b": "c"}]', id="12 lists"),
        pytest.param("{{a}}", {"a": 1}, "{a}", id="20 braces themselves"),
        pytest.param("${a}", {"a": 1}, "${a}", id="21 a shell's variable"),
        pytest.param("{a}", {"a": "{b}", "b": "no"}, "{b}", id="22 a value is not looked at again"),
        pytest.param("{}{ a}{1}{a.b}", {"a": 1}, "{}{ a}{1}{a.b}", id="23 braces around anything else"),
    ],
)
def test_a_command_is_filled(item: str, values: dict[str, Any], filled: str):
    """`{name}` is replaced by the argument, and nothing else is touched."""
    assert fill([item], values) == [filled]


def test_the_names_in_a_command():
    """Each once, in order."""
    assert placeholders(["{b}", "{a}{b}", "${c}{{d}}"]) == ["b", "a"]


def test_the_first_example_of_the_page_is_a_dag(tmp_path: Path):
    """It is parsed as it stands."""
    page = Path(__file__).parents[4] / "docs" / "containers.md"
    [block, *_] = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    program = tmp_path / "example.py"
    program.write_text(block + "\nprint(sorted(example().task_ids))\n")
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "['judge', 'load', 'train']"
