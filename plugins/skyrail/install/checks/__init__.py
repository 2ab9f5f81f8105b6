"""Checks before an install: pure functions of what the cluster answered, each returning rows of one table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    REFUSED = "refused"
    UNKNOWN = "not checked"


@dataclass(frozen=True)
class Check:
    """One row: what was looked at, what was found there, and what next."""

    name: str
    state: State
    found: str
    fix: str = ""


def ok(name: str, found: str) -> Check:
    """Return a check that passed."""
    return Check(name, State.OK, found)


def warn(name: str, found: str, fix: str = "") -> Check:
    """Return a check that passed, with something to think about."""
    return Check(name, State.WARN, found, fix)


def refused(name: str, found: str, fix: str) -> Check:
    """Return a check that did not pass."""
    return Check(name, State.REFUSED, found, fix)


def unknown(name: str, found: str, fix: str = "") -> Check:
    """Return a check that could not be made, for a lack of rights or because another one did not pass."""
    return Check(name, State.UNKNOWN, found, fix)


def passed(checks: Iterable[Check]) -> bool:
    """Whether nothing was refused."""
    return all(check.state is not State.REFUSED for check in checks)
