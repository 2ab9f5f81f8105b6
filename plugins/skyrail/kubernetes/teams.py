"""Teams: whose steps run in which namespace, and what a pod needs to run there.

A step belongs to the first team with a pattern that its DAG's name matches. The scheduler decides so for each pod,
whatever the DAG's file says: a namespace that a file could choose would be everybody's.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

from skyrail.errors import SettingsError
from skyrail.kubernetes.pods import CONTAINER, Pod

LABEL_TEAM = "skyrail.dev/team"
SHARED = "shared"
"""Name of the volume that the parts of a release share. Its claim is of one namespace: elsewhere it is empty."""


@dataclass(frozen=True)
class Team:
    """Some DAGs, and the namespace of their steps."""

    name: str
    namespace: str
    dags: tuple[str, ...]
    """Patterns of the names of its DAGs, such as `risk_*`."""
    secrets: tuple[str, ...] = ()
    """Secrets of its namespace whose keys its steps have as variables."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels that a cloud asks of the pods of its service account."""


def team_of(dag: str, teams: Sequence[Team]) -> Team | None:
    """Return the team of a DAG: the first that names it, or none."""
    return next((one for one in teams if any(fnmatchcase(dag, pattern) for pattern in one.dags)), None)


def load_teams(path: Path) -> tuple[Team, ...]:
    """Read the teams of a file, a list under `teams`, as the chart writes it.

    Raises:
        SettingsError: it cannot be read. To go on without would run a team's steps beside everybody's.
    """
    try:
        return _load(path, path.stat().st_mtime_ns)
    except OSError as error:
        reason: object = error.strerror
    except (yaml.YAMLError, KeyError, TypeError) as error:
        reason = error
    raise SettingsError(
        f"The teams cannot be read from {path}: {reason}.",
        fix="The chart writes this file from its value `teams`, and says where it is: [skyrail_resources] teams.",
    )


@functools.lru_cache(maxsize=2)
def _load(path: Path, _changed: int) -> tuple[Team, ...]:
    lists = {one.name for one in fields(Team)} - {"name", "namespace", "labels"}
    return tuple(
        Team(**{key: tuple(value) if key in lists else value for key, value in entry.items()})  # type: ignore[arg-type]
        for entry in yaml.safe_load(path.read_text())["teams"]
    )


def moved(pod: Pod, team: Team) -> Pod:
    """Return a pod as it runs in the namespace of a team.

    Service account, configuration and the bucket's keys have the same names there, so that nothing else changes.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    labels = {**(metadata.get("labels") or {}), LABEL_TEAM: team.name, **team.labels}
    volumes = [
        {"name": SHARED, "emptyDir": {}} if volume["name"] == SHARED else volume for volume in spec.get("volumes") or []
    ]
    more = [{"secretRef": {"name": name}} for name in team.secrets]
    containers = [
        {**each, "envFrom": [*(each.get("envFrom") or []), *more]} if more and each["name"] == CONTAINER else each
        for each in spec["containers"]
    ]
    return {
        **pod,
        "metadata": {**metadata, "namespace": team.namespace, "labels": labels},
        "spec": {**spec, "volumes": volumes, "containers": containers},
    }
