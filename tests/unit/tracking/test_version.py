"""What makes an attempt's version."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from skyrail.tracking import version


def load(source: str, tmp_path: Path, name: str) -> Callable[..., Any]:
    path = tmp_path / f"{name}.py"
    path.write_text(textwrap.dedent(source))
    namespace: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    return namespace["f"] if "f" in namespace else namespace["g"]()


def test_equal_source_is_one_text(tmp_path: Path):
    """A function's source is its text: not where it stands, but any change of it."""
    one = version.source_of(load("def f(x):\n    return x\n", tmp_path, "one"))
    nested = "def g():\n    def f(x):\n        return x\n    return f\n"
    assert version.source_of(load(nested, tmp_path, "two")) == one
    assert version.source_of(load("def f(x):\n    return x + 0\n", tmp_path, "three")) != one


def test_a_function_without_source_has_none():
    """What was made in a shell is recorded without its source."""
    assert version.source_of(eval("lambda x: x")) == ""


def test_the_environment_is_one_text_and_has_a_cache(tmp_path: Path):
    """The text is the same each time; a broken cache is written anew; one that cannot be written is done without."""
    first = version.environment_text(tmp_path / "cache")
    [kept] = (tmp_path / "cache").iterdir()
    assert version.environment_text(tmp_path / "cache") == first == kept.read_text()
    assert version.environment_text(Path("/proc/nowhere")) == first


def test_the_environment_lists_what_is_installed():
    """Interpreter and platform first, then each distribution once."""
    listed = version.environment()
    assert listed[0].startswith("python==")
    assert any(line.startswith("apache-airflow-core==3.3.") for line in listed)
    assert len(listed) == len(set(listed))
