"""Read YAML so that every mistake in it can be named by line and column, all of them at once."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class Mistakes:
    """What is wrong with a file, a line each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._found: list[tuple[int, int, str]] = []

    def add(self, place: Any, sentence: str) -> None:
        """Add a mistake at a YAML node or mark; None is the beginning of the file."""
        mark = getattr(place, "start_mark", place)
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        self._found.append((line, column, sentence))

    def __len__(self) -> int:
        return len(self._found)

    @property
    def lines(self) -> list[str]:
        """The mistakes as `file:line:column: sentence`, from the top of the file."""
        return [f"{self.path}:{line}:{column}: {sentence}" for line, column, sentence in sorted(self._found)]


class Marked:
    """A YAML mapping whose keys are taken one by one; what nobody took is a mistake."""

    def __init__(self, node: Any, mistakes: Mistakes) -> None:
        self.node = node
        self._mistakes = mistakes
        self._entries = {key.value: (key, value) for key, value in node.value if key.id == "scalar"}
        self._known: list[str] = []

    @property
    def line(self) -> int:
        """The line at which it begins."""
        return int(self.node.start_mark.line) + 1

    def key(self, name: str) -> Any:
        """Return where a key is, or where the mapping begins."""
        return self._entries[name][0] if name in self._entries else self.node

    def take(self, name: str, reader: Callable[[Any], T], *, required: bool = False) -> T | None:
        """Return what `reader` makes of a key's value; None when it is absent, or a mistake."""
        node = self._node(name, required=required)
        if node is None:
            return None
        yaml = _yaml()
        try:
            return reader(yaml.SafeLoader("").construct_object(node, deep=True))
        except ValueError as error:
            self._mistakes.add(node, f"{name} is {error}.")
        except yaml.YAMLError:
            self._mistakes.add(node, f"{name} is of a kind that only programs make.")
        return None

    def take_mappings(self, name: str) -> list[Marked] | None:
        """Return the mappings that a required key lists; None when it is absent, or no list."""
        node = self._node(name, required=True)
        if node is None:
            return None
        if node.id != "sequence":
            self._mistakes.add(node, f"{name} is no list.")
            return None
        for item in node.value:
            if item.id != "mapping":
                self._mistakes.add(item, f"This entry of {name} is no mapping of keys to values.")
        return [Marked(item, self._mistakes) for item in node.value if item.id == "mapping"]

    def refuse_others(self) -> None:
        """Name each key that nobody took, and the nearest that exists."""
        for name, (key, _) in self._entries.items():
            if name not in self._known:
                close = difflib.get_close_matches(name, self._known, 1)
                hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(self._known)}."
                self._mistakes.add(key, f"There is no key {name!r}: {hint}")

    def _node(self, name: str, *, required: bool) -> Any:
        self._known.append(name)
        if name in self._entries:
            return self._entries[name][1]
        if required:
            self._mistakes.add(self.node, f"The key {name!r} is missing.")
        return None


def read(path: Path, mistakes: Mistakes) -> Marked | None:
    """Return the mapping that a YAML file is; None when it is something else, which is a mistake."""
    yaml = _yaml()
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mistakes.add(error.problem_mark or error.context_mark, f"This is not YAML: {error.problem or error.context}.")
        return None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mistakes.add(None, f"This is not YAML: {' '.join(str(error).split())}.")
        return None
    if node is None:
        mistakes.add(None, "The file is empty.")
        return None
    if node.id != "mapping":
        mistakes.add(node, "The file is no mapping of keys to values.")
        return None
    _refuse_twice(node, mistakes)
    return Marked(node, mistakes)


def _yaml() -> Any:
    import yaml  # not at the top: not every DAG file has steps with needs

    return yaml


def _refuse_twice(node: Any, mistakes: Mistakes) -> None:
    if node.id == "sequence":
        for item in node.value:
            _refuse_twice(item, mistakes)
    if node.id == "mapping":
        lines: dict[str, int] = {}
        for key, value in node.value:
            if key.id != "scalar":
                mistakes.add(key, "This key is no text.")
            elif key.value in lines:
                mistakes.add(key, f"The key {key.value!r} is there twice, first in line {lines[key.value]}.")
            else:
                lines[key.value] = key.start_mark.line + 1
            _refuse_twice(value, mistakes)
