"""What an upgrade would change: objects added, changed and removed, by kind and name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from skyrail.install.manifests import Object, amount, key

MOST = 6
"""Changed places that are shown of one object."""


@dataclass(frozen=True)
class Change:
    """One object that is added, changed or removed."""

    what: str
    kind: str
    name: str
    namespace: str = ""
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


def drift(installed: Sequence[Object], live: Sequence[Object]) -> list[Change]:
    """Return what is not as it was installed: what somebody changed by hand, and the next upgrade changes back.

    What the cluster added by itself, such as defaults, does not count.
    """
    there = {key(one): one for one in live}
    found = []
    for one in sorted(installed, key=key):
        if key(one) not in there:
            found.append(Change("gone", *key(one)))
        elif places := list(_differing(one, there[key(one)])):
            shown = [f"{path}: {_short(old)} → {_short(new)}" for path, old, new in places[:MOST]]
            found.append(Change("by hand", *key(one), tuple(shown)))
    return found


def _differing(said: Any, live: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield where something live is another than was said; what was not said may be anything."""
    if said in (None, {}, [], ""):
        return
    if isinstance(said, Mapping) and isinstance(live, Mapping):
        for name, value in said.items():
            yield from _differing(value, live.get(name), f"{path}.{name}" if path else str(name))
    elif isinstance(said, list) and isinstance(live, list) and len(said) == len(live):
        for at, (one, other) in enumerate(zip(said, live, strict=True)):
            yield from _differing(one, other, f"{path}[{at}]")
    elif said != live and not _same_amount(said, live):
        yield path, said, live


def _same_amount(one: Any, other: Any) -> bool:
    """Whether two quantities are the same, of which clusters write `0.5` as `500m`."""
    try:
        return amount(one) == amount(other)
    except ValueError:
        return False


def _by_name(items: list[Any]) -> bool:
    names = [one.get("name") for one in items if isinstance(one, Mapping)]
    return len(names) == len(items) and None not in names and len(set(names)) == len(names)


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else f"{text[:57]}…"
