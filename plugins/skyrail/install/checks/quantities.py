"""Sizes that are none, before anything counts with them: Kubernetes would refuse them when half was made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from skyrail.install.checks import Check, refused
from skyrail.install.manifests import Object, amount, claims, containers, pods

KEYS = ("requests", "limits", "claims")


def quantities(objects: Sequence[Object]) -> list[Check]:
    """Refuse sizes of containers and volumes that are no quantities, and keys beside `requests` and `limits`."""
    return [refused("Values", found, fix) for found, fix in dict.fromkeys(_wrong(objects))]


def _wrong(objects: Sequence[Object]) -> Iterator[tuple[str, str]]:
    asked = [
        (f"{name} ({container['name']})", container.get("resources") or {})
        for name, template, _ in pods(objects)
        for container in containers(template["spec"])
    ]
    asked += [(f"The volume {name}", spec["resources"]) for name, spec, _ in claims(objects)]
    for name, resources in asked:
        for key in resources.keys() - set(KEYS):
            yield f"{name} has resources.{key}, which Kubernetes does not know.", "Write requests or limits."
        for key in ("requests", "limits"):
            for resource, value in (resources.get(key) or {}).items():
                if not _is_amount(value):
                    yield f"{name} says {value!r} of {resource}, which is no amount.", "Write 500m, 2, or 8Gi."


def _is_amount(value: Any) -> bool:
    try:
        return amount(value) >= 0
    except ValueError:
        return False
