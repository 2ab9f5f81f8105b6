"""The command of a step's program, with `{name}` where an argument goes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

# ${NAME} belongs to a shell, and {{name}} is how {name} itself is written.
_PLACEHOLDER = re.compile(r"\{\{(?P<literal>\w+)\}\}|(?<!\$)\{(?P<name>[^\W\d]\w*)\}")
_TEMPLATE = re.compile(r"\{\{\s+\S.*?\s+\}\}|\{%.*?%\}")


def placeholders(command: Sequence[str]) -> list[str]:
    """Return the names that a command refers to, in order, each once."""
    found = [match["name"] for item in command for match in _PLACEHOLDER.finditer(item) if match["name"]]
    return list(dict.fromkeys(found))


def template_in(command: Sequence[str]) -> str:
    """Return what looks like a Jinja template in a command, or an empty text: Airflow would not render it."""
    return next((match[0] for item in command if (match := _TEMPLATE.search(item))), "")


def fill(command: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """Return a command with each placeholder replaced: text as it stands, every other value as JSON."""

    def replaced(match: re.Match[str]) -> str:
        return f"{{{match['literal']}}}" if match["literal"] else text(values[match["name"]])

    return [_PLACEHOLDER.sub(replaced, item) for item in command]


def text(value: Any) -> str:
    """Return a plain value as one argument of a program."""
    return value if isinstance(value, str) else json.dumps(value)
