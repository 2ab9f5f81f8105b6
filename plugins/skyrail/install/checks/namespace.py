"""The namespace: is it there, what does it enforce, and whose are the objects in it?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from skyrail.install.checks import Check, ok, refused, unknown, warn
from skyrail.install.manifests import Object, key

ENFORCE = "pod-security.kubernetes.io/enforce"
OPENSHIFT = "openshift.io/sa.scc.uid-range"


def names(space: str, release: str) -> list[Check]:
    """Refuse what cannot be the name of a namespace or a release, whose name begins those of Services."""
    fix = "Use lower-case letters, digits and dashes, and begin with a letter."
    rows = []
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", space):
        rows.append(refused("Namespace", f"{space!r} cannot be the name of a namespace.", fix))
    if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", release):
        rows.append(refused("Release", f"{release!r} cannot be the name of a release.", fix))
    return rows


def namespace(name: str, found: Sequence[Object] | None, user: Any) -> list[Check]:
    """Look at the namespace itself.

    Args:
        name: of the namespace.
        found: the namespace, or nothing; None if it may not be seen.
        user: the value `userId`.
    """
    if found is None:
        return [unknown("Namespace", f"You may not look at {name} itself.")]
    if not found:
        return [
            ok("Namespace", f"{name} will be made."),
            warn(
                "Pod Security",
                "A new namespace enforces nothing.",
                f"Later: kubectl label namespace {name} {ENFORCE}=restricted",
            ),
        ]
    [one] = found
    if (one.get("status") or {}).get("phase") == "Terminating":
        return [
            refused("Namespace", f"{name} is being deleted.", f"Wait: kubectl wait --for=delete namespace/{name}"),
        ]
    rows = [ok("Namespace", f"{name} is there.")]
    level = (one["metadata"].get("labels") or {}).get(ENFORCE)
    if level:
        rows.append(ok("Pod Security", f"It enforces {level}; all pods are fit for restricted."))
    else:
        fix = f"kubectl label namespace {name} {ENFORCE}=restricted"
        rows.append(warn("Pod Security", "The namespace enforces no level; all pods are fit for restricted.", fix))
    if OPENSHIFT in (one["metadata"].get("annotations") or {}) and user is not None:
        rows.append(
            refused(
                "User",
                f"This is OpenShift, which chooses user ids itself, and userId is {user}.",
                "Let it choose:\nuserId: null",
            )
        )
    return rows


def of_team(team: Mapping[str, Any], found: Sequence[Object] | None) -> Check:
    """Look at the namespace of a team: is it there, and does it keep a step's pod from taking over its node?

    Args:
        team: an entry of the value `teams`.
        found: the namespace, or nothing; None if it may not be seen.
    """
    name, enforce = team["namespace"], f"kubectl label namespace {team['namespace']} {ENFORCE}=restricted"
    if found is None:
        return unknown("Teams", f"You may not look at the namespace {name} of the team {team['name']}.")
    if not found and team.get("create"):
        return ok("Teams", f"{name} will be made.")
    if not found:
        return refused(
            "Teams",
            f"There is no namespace {name} for the team {team['name']}.",
            f"Make it, kubectl create namespace {name}, or let the chart do so by `create: true` in the team.",
        )
    [one] = found
    if (one.get("status") or {}).get("phase") == "Terminating":
        return refused("Teams", f"{name} is being deleted.", f"Wait: kubectl wait --for=delete namespace/{name}")
    if (one["metadata"].get("labels") or {}).get(ENFORCE) != "restricted":
        risk = f"{name} does not enforce the level restricted: by a pod_override a step can take over its node."
        return warn("Teams", risk, enforce)
    return ok("Teams", f"{name} is there, and enforces restricted.")


def release(name: str, listed: Sequence[Mapping[str, Any]] | None, label: str) -> list[Check]:
    """Look at a release of that name.

    Args:
        name: of the release.
        listed: what `helm list --all` of the namespace says; None if it may not be seen.
        label: name and version of our chart.
    """
    if listed is None:
        return [unknown("Release", "You may not see the releases of the namespace.")]
    found = [each for each in listed if each["name"] == name]
    if not found:
        others = [each["name"] for each in listed if each["chart"].startswith("skyrail-")]
        if others:
            return [
                warn(
                    "Release",
                    f"{name} is new, and there is another Skyrail in this namespace: {', '.join(others)}.",
                    f"To upgrade that one: --release {others[0]}",
                )
            ]
        return [ok("Release", f"{name} is new.")]
    [one] = found
    if not one["chart"].startswith("skyrail-"):
        return [
            refused("Release", f"{name} is a release of {one['chart']}.", "Choose another name, --release NAME."),
        ]
    status = one["status"]
    if status.startswith("pending"):
        undo = f"helm rollback {name}" if int(one["revision"]) > 1 else f"helm uninstall {name}"
        return [
            refused(
                "Release",
                f"Helm is at work on {name}, or was cut off ({status}, since {one['updated'][:16]}).",
                f"If nobody is: {undo}",
            )
        ]
    if status == "uninstalling":
        return [refused("Release", f"{name} is being uninstalled.", "Wait, or: skyrail uninstall")]
    if status == "failed":
        return [warn("Release", f"The last try to install {name} failed; this one repairs it.")]
    if _numbers(one["chart"]) > _numbers(label):
        return [
            refused(
                "Release",
                f"{name} is {one['chart']}, newer than {label}: its database is, too, and would not be opened.",
                "Install the newer Skyrail here, and run it again.",
            )
        ]
    return [ok("Release", f"{name} is there ({one['chart']}, revision {one['revision']}) and will be upgraded.")]


def _numbers(chart: str) -> list[int]:
    return [int(part) for part in chart.rpartition("-")[2].split(".") if part.isdigit()]


def owners(objects: Sequence[Object], live: Sequence[Object] | None, name: str, where: str) -> list[Check]:
    """Look for objects of the same names that are not this release's, which Helm would refuse half-way."""
    if live is None:
        return [unknown("Names", "You may not see all objects of the names that the chart uses.")]
    ours = {key(one) for one in objects}
    foreign = []
    for one in live:
        said = one["metadata"].get("annotations") or {}
        owner = said.get("meta.helm.sh/release-name"), said.get("meta.helm.sh/release-namespace")
        managed = (one["metadata"].get("labels") or {}).get("app.kubernetes.io/managed-by")
        if key(one) in ours and (owner != (name, where) or managed != "Helm"):
            by = f" of the release {owner[0]}" if owner[0] else ""
            foreign.append(f"{one['kind']} {one['metadata']['name']}{by}")
    if foreign:
        return [
            refused(
                "Names",
                f"There are objects with the chart's names that are not this release's: {', '.join(sorted(foreign))}.",
                "Choose another name, --release NAME, or remove them if nobody needs them.",
            )
        ]
    return [ok("Names", "Nobody else's objects have the chart's names.")]
