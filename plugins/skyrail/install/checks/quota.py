"""The namespace's ResourceQuotas and LimitRanges against what the chart asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from skyrail.install.checks import Check, ok, refused, unknown
from skyrail.install.manifests import Object, amount, claims, containers, needs, pods, said


def quota(
    objects: Sequence[Object],
    quotas: Sequence[Object] | None,
    ranges: Sequence[Object] | None,
    before: Sequence[Object] = (),
) -> list[Check]:
    """Compare the sums with what quotas leave.

    While an upgrade replaces pods, those of before and after are there at once; that is not counted.

    Args:
        objects: what the chart renders.
        quotas: those of the namespace; None if they may not be seen.
        ranges: its LimitRanges; None likewise.
        before: what the release has now: it is part of what is used.
    """
    if quotas is None:
        return [unknown("Quota", "You may not see the namespace's quotas.")]
    whole = [each for each in quotas if not (each["spec"].get("scopes") or each["spec"].get("scopeSelector"))]
    if not quotas:
        return [ok("Quota", "The namespace has none.")]
    after, now = needs(objects), needs(before)
    rows = []
    for one in whole:
        hard, used = one["spec"].get("hard") or {}, (one.get("status") or {}).get("used") or {}
        for resource, limit in hard.items():
            left = amount(limit) - amount(used.get(resource, 0)) + now.get(resource, 0)
            want = after.get(resource, 0)
            if want > left + 1e-9:
                rows.append(
                    refused(
                        "Quota",
                        f"The quota {one['metadata']['name']} leaves {said(max(left, 0), resource)} of {resource}, and"
                        f" the platform needs {said(want, resource)}.",
                        f"Raise the quota by {said(want - left, resource)}, or ask for less: `resources` and replicas.",
                    )
                )
        rows += _unlimited(objects, one, ranges or ())
    names = ", ".join(each["metadata"]["name"] for each in quotas)
    return rows or [ok("Quota", f"{names} leaves enough.")]


def _unlimited(objects: Sequence[Object], one: Object, ranges: Sequence[Object]) -> list[Check]:
    """Refuse containers without a limit that a quota makes a duty: Kubernetes would make none of their pods."""
    rows = []
    for resource in one["spec"].get("hard") or {}:
        which, _, what = resource.partition(".")
        if which not in ("limits", "requests") or what not in ("cpu", "memory"):
            continue
        if any(what in (limit.get("default") or {}) for limit in _limits(ranges, "Container")):
            continue
        bare = sorted(
            {
                f"{name} ({container['name']})"
                for name, template, _ in pods(objects)
                for container in containers(template["spec"])
                if what not in _sizes(container, which)
            }
        )
        if bare:
            rows.append(
                refused(
                    "Quota",
                    f"The quota {one['metadata']['name']} counts {resource}, so each container must say it, and"
                    f" {len(bare)} do not: {', '.join(bare[:3])}{' …' if len(bare) > 3 else ''}.",
                    f"Add a LimitRange with a default for {what}, or take {resource} out of the quota.",
                )
            )
    return rows


def limits(objects: Sequence[Object], ranges: Sequence[Object] | None) -> list[Check]:
    """Compare each container and claim with the namespace's LimitRanges."""
    if ranges is None:
        return [unknown("Limits", "You may not see the namespace's LimitRanges.")]
    # One row for each limit: who has a small one would read a row for each container.
    beyond: dict[tuple[str, str], list[str]] = {}
    for limit in _limits(ranges, "Container"):
        for name, template, _ in pods(objects):
            for container in containers(template["spec"]):
                for allowed, has in _beyond(container, limit):
                    beyond.setdefault(allowed, []).append(f"{name} ({container['name']}) says {has}")
    for limit in _limits(ranges, "PersistentVolumeClaim"):
        for name, spec, _ in claims(objects):
            for allowed, has in _beyond({"resources": spec["resources"]}, limit):
                beyond.setdefault(allowed, []).append(f"the volume {name} says {has}")
    rows = [
        refused(
            "Limits",
            f"A LimitRange allows {allowed} of {resource}, and {', '.join(found)}.",
            "Change the size of the volume, or the LimitRange."
            if resource == "storage"
            else "Change its `resources`, or the LimitRange.",
        )
        for (allowed, resource), found in beyond.items()
    ]
    return rows or ([ok("Limits", "All containers are within the namespace's LimitRanges.")] if ranges else [])


def _beyond(container: Mapping[str, Any], limit: Mapping[str, Any]) -> list[tuple[tuple[str, str], str]]:
    """Return what a container is beyond, and what it says."""
    rows: list[tuple[str, str, Any]] = []
    for resource, most in (limit.get("max") or {}).items():
        sizes = {**_sizes(container, "requests"), **_sizes(container, "limits")}
        if resource in sizes and amount(sizes[resource]) > amount(most):
            rows.append((f"at most {most}", resource, sizes[resource]))
    for resource, least in (limit.get("min") or {}).items():
        sizes = _sizes(container, "requests")
        if resource in sizes and amount(sizes[resource]) < amount(least):
            rows.append((f"at least {least}", resource, sizes[resource]))
    for resource, ratio in (limit.get("maxLimitRequestRatio") or {}).items():
        asked, most = _sizes(container, "requests").get(resource), _sizes(container, "limits").get(resource)
        if asked and most and amount(most) / amount(asked) > amount(ratio):
            rows.append((f"a limit of {ratio} times the request", resource, f"{asked} to {most}"))
    return [((allowed, resource), str(has)) for allowed, resource, has in rows]


def _sizes(container: Mapping[str, Any], which: str) -> dict[str, Any]:
    resources = container.get("resources") or {}
    sizes = resources.get(which) or {}
    return {**(resources.get("limits") or {}), **sizes} if which == "requests" else dict(sizes)


def _limits(ranges: Sequence[Object], kind: str) -> list[dict[str, Any]]:
    return [limit for one in ranges for limit in one["spec"]["limits"] if limit["type"] == kind]
