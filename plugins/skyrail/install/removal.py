"""Remove a release: what is its own, what is kept, and in which order it goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from skyrail.errors import SkyrailError
from skyrail.install import release as releases
from skyrail.install.chart import Chart
from skyrail.install.data import keeps, owned_claims
from skyrail.install.manifests import Object, key, spaces
from skyrail.install.programs import Programs
from skyrail.install.values import at

PAUSE = 2.0
GRACE = 30
"""Seconds that workers and steps get to end: what they report to is gone, so that they cannot finish in earnest."""
OWN_SECRETS = (
    "secrets.airflow", "database.passwordSecret", "mlflow.passwordSecret", "broker.urlSecret", "storage.keySecret",
    "ingress.tlsSecret", "tls.secret",
)  # fmt: skip
"""Values that name a Secret which somebody made."""


class RemovalError(SkyrailError):
    """A release cannot be removed as it was asked for."""


@dataclass(frozen=True)
class Removal:
    """What goes with a release and what stays, known before anything is changed."""

    release: str
    chart: str
    keep: bool
    """Whether data stays: volumes and secrets."""
    kept_now: bool
    """Whether the release as it is installed keeps its data (the value `keepData`)."""
    claims: tuple[str, ...]
    secrets: tuple[str, ...]
    steps: tuple[str, ...]
    """Pods of steps that run now."""
    spaces: tuple[str, ...]
    """Namespaces of steps: the release's own, and those of teams."""


def step_selector(release: str) -> str:
    """Return the labels of the pods of a release's steps, which Airflow makes and Helm does not know."""
    return f"kubernetes_executor=True,app.kubernetes.io/instance={release}"


def look(tools: Programs, release: str, keep: bool | None) -> Removal:
    """Return what removing a release would do.

    Args:
        tools: for its namespace.
        release: its name.
        keep: whether its data stays; None is as it was installed.

    Raises:
        RemovalError: there is no such release, or it is none of Skyrail's.
    """
    listed = releases.listed(tools)
    if listed is None:
        raise RemovalError(
            f"The releases in the namespace {tools.namespace} cannot be seen: {tools.helm('list').reason}",
            fix="`kubectl cluster-info` asks the same cluster, and `kubectl auth whoami` says as whom you come.",
        )
    found = [each for each in listed if each["name"] == release]
    if not found:
        others = [each["name"] for each in listed if each["chart"].startswith("skyrail-")]
        there = (
            f"There is {', '.join(others)}: --release {others[0]}" if others else "`helm list -A` shows all releases."
        )
        raise RemovalError(f"There is no release {release} in the namespace {tools.namespace}.", fix=there)
    if not found[0]["chart"].startswith("skyrail-"):
        raise RemovalError(
            f"{release} is a release of {found[0]['chart']}, and not of Skyrail.",
            fix=f"If it is to go: helm uninstall {release} --namespace {tools.namespace}",
        )
    manifest = releases.current(tools, release)
    claims = tools.get("persistentvolumeclaims") or []
    where = tuple(spaces(manifest, tools.namespace))
    kept_now = keeps(manifest)
    return Removal(
        release,
        found[0]["chart"],
        kept_now if keep is None else keep,
        kept_now,
        tuple(owned_claims(manifest, claims)),
        tuple(sorted(name for kind, name, _ in map(key, manifest) if kind == "Secret")),
        tuple(one["metadata"]["name"] for each in where for one in _steps(tools, release, each)),
        where,
    )


def remove(
    tools: Programs,
    removal: Removal,
    chart: Chart,
    say: Callable[[str], None],
    *,
    timeout: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Remove a release, and return when nothing of it runs.

    Raises:
        SkyrailError: the cluster refuses, something does not go away, or its data cannot be kept.
    """
    if removal.keep and not removal.kept_now:
        _keep_data(tools, removal, chart)
        say("Its volumes and secrets are marked to stay.")
    _end_workers(tools, removal.release)
    tools.change(tools.helm("uninstall", removal.release, seconds=300), f"Helm could not uninstall {removal.release}")
    # Not by --wait: a step that runs holds the shared volume, and Helm would wait for its end, which may be hours.
    deadline = clock() + timeout
    said: list[str] = []
    while True:
        ending = [(step_selector(removal.release), space) for space in removal.spaces]
        for labels, space in [*ending, (_workers(removal.release), tools.namespace)]:
            there = replace(tools, namespace=space)
            if there.get("pods", "-l", labels):
                there.kubectl("delete", "pods", "-l", labels, "--wait=false", f"--grace-period={GRACE}")
        if not removal.keep:
            _delete(tools, "persistentvolumeclaims", removal.claims)
            _delete(tools, "secrets", removal.secrets)
        left = _left(tools, removal)
        if not left:
            return
        if left != said:
            say(f"Waiting for {', '.join(left[:3])}{f' and {len(left) - 3} more' if len(left) > 3 else ''}")
            said = left
        if clock() > deadline:
            force = f"kubectl --namespace {tools.namespace} delete"
            raise RemovalError(
                f"After {timeout:.0f} s there still is {', '.join(left)}.",
                fix=f"`kubectl --namespace {tools.namespace} describe {left[-1]}` says why. To end it by force:"
                f" {force} {' '.join(left)} --grace-period=0 --force",
            )
        sleep(PAUSE)


def _steps(tools: Programs, release: str, space: str) -> list[Object]:
    return replace(tools, namespace=space).get("pods", "-l", step_selector(release)) or []


def _workers(release: str) -> str:
    # Their own patience is an hour, for upgrades.
    return f"app.kubernetes.io/name=skyrail,app.kubernetes.io/component=workers,app.kubernetes.io/instance={release}"


def _end_workers(tools: Programs, release: str) -> None:
    """Tell workers to end within the grace, before Helm tells them to end within their own patience.

    Whatever is said later: a node that waits for the end of a pod does not hear that it shall wait less.
    """
    tools.kubectl("delete", "statefulsets", "-l", _workers(release), "--cascade=orphan")
    tools.kubectl("delete", "pods", "-l", _workers(release), "--wait=false", f"--grace-period={GRACE}")


def _keep_data(tools: Programs, removal: Removal, chart: Chart) -> None:
    """Set the value `keepData` of a release: Helm decides by what was installed last, not by what objects say now.

    Nothing is restarted by it. With a chart of another version it would be an upgrade, so that is refused.
    """
    fix = f"Use Skyrail of the release's version ({removal.chart}), or set keepData: true by an upgrade first."
    if removal.chart != chart.label:
        raise RemovalError(
            f"{removal.release} was not installed with keepData, and this Skyrail has {chart.label}.", fix=fix
        )
    arguments = ["upgrade", removal.release, str(chart.folder), "--reuse-values", "--set", "keepData=true"]
    releases.apply(tools, arguments, "The data cannot be marked to stay")
    if not keeps(releases.current(tools, removal.release)):
        raise RemovalError("The release does not keep its data though keepData is set.", fix=fix)


def _delete(tools: Programs, kind: str, names: Sequence[str]) -> None:
    if names:
        tools.kubectl("delete", kind, *names, "--ignore-not-found", "--wait=false")


def _left(tools: Programs, removal: Removal) -> list[str]:
    """Return what is still there of what goes."""
    pods = tools.get("pods", "-l", f"app.kubernetes.io/instance={removal.release},app.kubernetes.io/name=skyrail") or []
    steps = [one for space in removal.spaces for one in _steps(tools, removal.release, space)]
    left = {f"pod/{one['metadata']['name']}" for one in [*pods, *steps]}
    if not removal.keep:
        for kind, names in (("persistentvolumeclaims", removal.claims), ("secrets", removal.secrets)):
            if names:
                there = tools.get(kind, *names, "--ignore-not-found") or []
                left |= {f"{one['kind'].lower()}/{one['metadata']['name']}" for one in there}
    return sorted(left)


def remaining(tools: Programs, removal: Removal, values: Mapping[str, Any]) -> list[str]:
    """Return what is left, and the command that removes it, as lines."""
    namespace = tools.namespace
    lines = []
    if removal.keep:
        for kind, names in (("persistentvolumeclaims", removal.claims), ("secrets", removal.secrets)):
            if names:
                lines.append(f"{kind}: {', '.join(names)}")
                lines.append(f"  kubectl --namespace {namespace} delete {kind} {' '.join(names)}")
    if named := [name for name in dict.fromkeys(at(values, path) for path in OWN_SECRETS) if name]:
        lines.append(f"secrets of yours: {', '.join(named)}")
    if host := at(values, "database.host"):
        lines.append(f"the databases on {host}, with all that is in them")
    if bucket := at(values, "storage.bucket"):
        lines.append(f"what is in {bucket}")
    lines.append(f"the namespace {namespace}")
    lines.append(f"  kubectl delete namespace {namespace}")
    return lines
