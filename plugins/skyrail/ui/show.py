"""How values look on the pages: pure functions, used as filters in the templates."""

from __future__ import annotations

import json
import math
import sys
from datetime import UTC, datetime

MINUS, NOTHING = "\N{MINUS SIGN}", "\N{EN DASH}"

# How an attempt ended, or what a comparison said -> (mark, name of its colours). Never the colour alone.
MARKS = {
    "succeeded": ("✓", "good"),
    "failed": ("✕", "bad"),
    "killed": ("✕", "bad"),
    "skipped": ("↷", "skipped"),
    "running": ("•", "running"),
    "PASS": ("✓", "good"),
    "FAIL": ("✕", "bad"),
    "INCONCLUSIVE": ("?", "unsure"),
    "ERROR": ("!", "bad"),
    "promoted": ("↑", "brand"),
    "info": ("i", "running"),
    "warning": ("!", "unsure"),
    "critical": ("!", "bad"),
}


def mark(word: str) -> str:
    """Return the sign that stands before a state."""
    return MARKS.get(word, ("•", "plain"))[0]


def tone(word: str) -> str:
    """Return the class of a state's colours."""
    return MARKS.get(word, ("•", "plain"))[1]


def number(value: float | None, digits: int = 4) -> str:
    """Return a number as people read it: thousands grouped, as many digits as matter."""
    if value is None:
        return NOTHING
    if math.isnan(value):
        return "not a number"
    if abs(value) >= sys.float_info.max:  # MLflow keeps infinity as the largest number
        return "∞" if value > 0 else f"{MINUS}∞"
    if value == int(value) and abs(value) < 1e15:
        text = f"{int(value):,}"
    elif abs(value) >= 1000:
        text = f"{value:,.1f}" if abs(value) < 1e9 else f"{value:.{digits}g}"
    else:
        text = f"{value:.{digits}g}"
    return MINUS + text[1:] if text.startswith("-") else text


def duration(seconds: float | None) -> str:
    """Return a duration in the two largest units that matter."""
    if seconds is None:
        return NOTHING
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def size(count: float | None) -> str:
    """Return a number of bytes in the unit that fits, 1024 to the next."""
    if count is None:
        return NOTHING
    units = ("B", "KiB", "MiB", "GiB", "TiB")
    power = min(len(units) - 1, max(0, (int(count).bit_length() - 1) // 10))
    return f"{count / 1024**power:.{0 if power == 0 else 1}f} {units[power]}"


def when(moment: datetime) -> str:
    """Return a time in UTC; the browser turns it into its own."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def plain(text: str) -> str:
    """Return a JSON value as a person would write it: text without its quotes."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str) else text


def short(text: str, length: int = 40) -> str:
    """Return the beginning of a text that is too long for its place."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


FILTERS = {
    "mark": mark,
    "tone": tone,
    "number": number,
    "duration": duration,
    "size": size,
    "when": when,
    "plain": plain,
    "short": short,
}
