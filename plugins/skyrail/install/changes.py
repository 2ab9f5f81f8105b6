"""What an upgrade would change: objects added, changed and removed, by kind and name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from skyrail.install.manifests import Object, key

MOST = 6
"""Changed places that are shown of one object."""


@dataclass(frozen=True)
class Change:
    """One object that is added, changed or removed."""

    what: str
    kind: str
    name: str
    details: tuple[str, ...] = ()
    restarts: bool = False
    """Whether its pods are replaced."""


def changes(before: Sequence[Object], after: Sequence[Object]) -> list[Change]:
    """Compare what a release has with what it would have."""
    old, new = {key(one): one for one in before}, {key(one): one for one in after}
    found = []
    for each in sorted(old.keys() | new.keys()):
        if each not in old:
            found.append(Change("added", *each))
        elif each not in new:
            found.append(Change("removed", *each))
        elif old[each] != new[each]:
            places = list(differences(old[each], new[each]))
            shown = [f"{path}: {_short(one)} → {_short(other)}" for path, one, other in places[:MOST]]
            if len(places) > MOST:
                shown.append(f"and {len(places) - MOST} more")
            restarts = (old[each].get("spec") or {}).get("template") != (new[each].get("spec") or {}).get("template")
            found.append(Change("changed", *each, tuple(shown), restarts))
    return found


def differences(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield each place where two values differ: its path, what was there, what will be; None is: nothing."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in sorted({*old, *new}, key=str):
            yield from differences(old.get(name), new.get(name), f"{path}.{name}" if path else str(name))
    elif isinstance(old, list) and isinstance(new, list) and _by_name(old) and _by_name(new):
        olds, news = {one["name"]: one for one in old}, {one["name"]: one for one in new}
        for name in sorted({*olds, *news}):
            yield from differences(olds.get(name), news.get(name), f"{path}[{name}]")
    elif old != new:
        yield path, old, new


def _by_name(items: list[Any]) -> bool:
    return all(isinstance(one, Mapping) and "name" in one for one in items)


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else f"{text[:57]}…"
