"""What people write to find runs, as MLflow's filter language.

`train, auc > 0.9, p.seed = 7`: terms that must all hold. A term is a condition, or a text that the run's name contains.
The same words name columns and what to sort by: `m.` a metric, `p.` a parameter, `t.` a tag, or one of `FIELDS`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal

from skyrail.errors import SkyrailError
from skyrail.tracking import names

LONGEST = 500
"""A filter has so many characters at most."""

FIELDS = {
    "task": names.TASK_ID,
    "run": names.RUN_ID,
    "map_index": names.MAP_INDEX,
    "try": names.TRY_NUMBER,
    "ended": names.ENDED,
    "error": names.ERROR,
    "commit": names.COMMIT,
    "class": names.RESOURCE_CLASS,
    "image": names.IMAGE,
    "python": names.PYTHON,
    "version": names.VERSION,
    "code": names.VERSION_CODE,
    "environment": names.VERSION_ENVIRONMENT,
    "parameters": names.VERSION_PARAMETERS,
    "data": names.VERSION_DATA,
    "results": names.VERSION_RESULTS,
}
"""Short words for tags of the record."""

STARTED = "started"

Kind = Literal["metric", "param", "tag", "started"]
_PREFIXES: dict[str, Kind] = {"m": "metric", "p": "param", "t": "tag"}
# What MLflow allows as a name. None of it can end a quoted name.
_NAME = re.compile(r"[/\w.\- :]{1,250}")
_CONDITION = re.compile(r"(?P<name>[^<>=!~]*)(?P<operator>[<>=!~]+)(?P<value>.*)", re.DOTALL)
_OPERATORS: dict[Kind, tuple[str, ...]] = {
    "metric": ("<", "<=", ">", ">=", "=", "!="),
    "param": ("=", "!=", "~"),
    "tag": ("=", "!=", "~"),
    "started": ("<", "<=", ">", ">=", "="),
}
# Between terms: a comma, but not the one in 1,000, or the word "and". Neither inside double quotes.
_SEPARATOR = re.compile(r'"[^"]*"|(,(?!(?<=\d,)\d{3}(?!\d))|\s+and\s+)', re.IGNORECASE)


class FilterError(SkyrailError):
    """A filter, a column or an order cannot be understood."""


@dataclass(frozen=True)
class Name:
    """Something that a run has: a metric, a parameter, a tag, or when it started."""

    kind: Kind
    key: str

    @property
    def word(self) -> str:
        """Return it as it is written in addresses."""
        if self.kind == "started":
            return STARTED
        if self.kind == "tag":
            return next((word for word, tag in FIELDS.items() if tag == self.key), f"t.{self.key}")
        return f"{self.kind[0]}.{self.key}"

    @property
    def label(self) -> str:
        """Return it as the head of a column."""
        return self.word if self.kind == "tag" and not self.word.startswith("t.") else self.key or STARTED

    @property
    def identifier(self) -> str:
        """Return it in MLflow's filter language."""
        return "attributes.start_time" if self.kind == "started" else f"{self.kind}s.`{self.key}`"


def name(text: str, *, bare: Kind = "metric") -> Name:
    """Read the name of a metric, parameter, tag or field; without a prefix it is a field, or else of the kind `bare`.

    Raises:
        FilterError: nothing can have that name.
    """
    text = text.strip()
    prefix, dot, key = text.partition(".")
    if dot and prefix in _PREFIXES:
        found = Name(_PREFIXES[prefix], key.strip())
    elif text == STARTED:
        return Name("started", "")
    elif text in FIELDS:
        return Name("tag", FIELDS[text])
    else:
        found = Name(bare, text)
    if not _NAME.fullmatch(found.key) or len(text) > LONGEST:
        raise FilterError(
            f"Nothing can be called {text[:60]!r}.",
            fix="Names have letters, digits, spaces and / . - _ : only. Write m.NAME for a metric, p.NAME for a "
            "parameter.",
        )
    return found


def clauses(text: str) -> list[str]:
    """Return a filter as clauses of MLflow's filter language, all of which must hold.

    Raises:
        FilterError: a part of it is no condition, with a sentence about that part.
    """
    if len(text) > LONGEST:
        raise FilterError(f"The filter is longer than {LONGEST} characters.", fix="Please shorten it.")
    found: list[str] = []
    for term in _terms(text):
        match = None if term.startswith('"') else _CONDITION.fullmatch(term)
        found += _condition(term, match) if match else [f"attributes.run_name ILIKE '%{wild(_unquoted(term))}%'"]
    return found


def exactly(key: str, value: str) -> str:
    """Return the clause for a tag of this very value.

    A character that no literal can hold safely stands for any one character then, so check what is found.
    """
    pattern = wild(value)
    return f"tags.`{key}` = '{value}'" if _plain(value) else f"tags.`{key}` LIKE '{pattern}'"


def contains(key: str, value: str) -> str:
    """Return the clause for a tag that contains a text, capitals or not."""
    return f"tags.`{key}` ILIKE '%{wild(value)}%'"


def number_literal(value: float) -> str:
    """Return a finite number as MLflow's filter language takes it: all its digits, and no exponent."""
    return format(Decimal(repr(float(value))), "f")


def wild(text: str) -> str:
    """Return a text for the middle of a LIKE pattern.

    Quotes and backslashes can end or bend a literal, `%` stands for anything, and none can be escaped in a way that all
    of MLflow's databases share: each becomes `_`, which stands for any one character.
    """
    return "".join("_" if c in "'\"\\%" or not c.isprintable() else c for c in text)


def _plain(text: str) -> bool:
    return not any(c in "'\"\\" or not c.isprintable() for c in text)


def _terms(text: str) -> list[str]:
    terms, begin = [], 0
    for match in _SEPARATOR.finditer(text):
        if match[1]:
            terms.append(text[begin : match.start()])
            begin = match.end()
    return [term for part in [*terms, text[begin:]] if (term := part.strip())]


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] == '"' else text


def _condition(term: str, match: re.Match[str]) -> list[str]:
    operator, value = match["operator"].replace("==", "="), _unquoted(match["value"].strip())
    left = match["name"].strip()
    example = f"{left if left and _NAME.fullmatch(left) else 'auc'} > 0.9"
    if not left or not match["value"].strip() or operator not in ("<", "<=", ">", ">=", "=", "!=", "~"):
        raise FilterError(f"{term} is not a condition.", fix=f"Write, for example: {example}")
    subject = name(left)
    if operator not in _OPERATORS[subject.kind]:
        raise FilterError(f"{term} cannot be asked.", fix=_REASONS[subject.kind].format(name=subject.word))
    if subject.kind == "metric":
        return [f"{subject.identifier} {operator} {number_literal(_number(term, subject, value))}"]
    if subject.kind == "started":
        return _moments(term, operator, value)
    if operator == "~":
        return [f"{subject.identifier} ILIKE '%{wild(value)}%'"]
    if operator == "=" and subject.kind == "tag":
        return [exactly(subject.key, value)]
    if _plain(value):
        return [f"{subject.identifier} {operator} '{value}'"]
    raise FilterError(
        f"{term} cannot be asked: MLflow's filter has no quotes or backslashes in values.",
        fix=f"Ask for a part of it: {subject.word} ~ {wild(value).strip('_') or 'text'}",
    )


_REASONS: dict[Kind, str] = {
    "metric": "A metric is a number. Write {name} > 0.9; for a part of a parameter, p.NAME ~ text.",
    "param": "MLflow keeps parameters as text: write {name} = value, {name} != value, or {name} ~ part.",
    "tag": "MLflow keeps this as text: write {name} = value, {name} != value, or {name} ~ part.",
    "started": "Write, for example: started > 2026-01-31",
}


def _number(term: str, subject: Name, text: str) -> float:
    try:
        value = float(re.sub(r"(?<=\d),(?=\d{3})", "", text))
    except ValueError:
        value = math.nan
    if math.isfinite(value):
        return value
    raise FilterError(
        f"{term}: {text[:60]!r} is not a number, and {subject.key} is read as a metric.",
        fix=f"Write m.{subject.key} > 0.9, or p.{subject.key} = {text[:60]} when it is a parameter.",
    )


def _moments(term: str, operator: str, text: str) -> list[str]:
    try:
        moment = datetime.fromisoformat(text)
        begin = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        milliseconds = round(begin.timestamp() * 1000)
        whole_day = len(text) <= len("2026-01-31")
        end = milliseconds + round(timedelta(days=1).total_seconds() * 1000) if whole_day else milliseconds + 1000
    except (ValueError, OverflowError):
        raise FilterError(
            f"{term}: {text[:60]!r} is not a date.",
            fix="Write, for example: started > 2026-01-31, or started > 2026-01-31 14:30 (UTC).",
        ) from None
    # A day is all of its hours: after it means from the next one on.
    bounds = {
        ">": [f">= {end}"],
        ">=": [f">= {milliseconds}"],
        "<": [f"< {milliseconds}"],
        "<=": [f"< {end}"],
        "=": [f">= {milliseconds}", f"< {end}"],
    }
    return [f"attributes.start_time {bound}" for bound in bounds[operator]]
