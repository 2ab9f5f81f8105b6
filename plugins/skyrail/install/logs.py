"""What the last lines of a log mean, when a part does not start."""

from __future__ import annotations

import re
from collections.abc import Sequence

from skyrail.install.manifests import Object
from skyrail.install.stuck import NEVER, SOON, UNTIL_DEADLINE, Stuck

LOGS = (
    (r"password authentication failed|refuses the password|SASL authentication failed|no password supplied",
     "The database refuses the password: correct the Secret that database.passwordSecret names, and restart what has"
     " the old one: kubectl rollout restart deployment RELEASE-pgbouncer.", SOON),
    (r'database "[^"]*" does not exist', "Make the database, or correct database.name.", SOON),
    (r'role "[^"]*" does not exist', "Make the user, or correct database.user.", SOON),
    (r"could not translate host name|Name or service not known|Temporary failure in name resolution",
     "The database's name is not known in the cluster: correct database.host.", 2 * SOON),
    (r"of another release than this image",
     "Install the newer release again, or restore the database from before it.", NEVER),
    (r"no pg_hba\.conf entry|SSL (?:off|required)|does not support SSL",
     "Correct database.ssl, or let the cluster in.", SOON),
    (r"Connection refused|timeout expired|timed out|No route to host",
     "See that the cluster reaches the database: its host, port and firewall.", UNTIL_DEADLINE),
    # The sentences of skyrail.operations, which say what to do themselves.
    (r"lets nobody in without TLS|does not let the user|there is no database|knows no user|offers no TLS"
     r"|database at \S+ cannot be trusted", "Its last lines say what to do.", SOON),
    (r"newer release than this image|that of an Airflow 2|belongs to another program",
     "Its last lines say what to do.", NEVER),
    (r"Can't locate revision|Revision .* is not present",
     "The database is of another release of Airflow: install that release of Skyrail, or restore it.", NEVER),
)  # fmt: skip
"""What last lines mean: what next, and how long to wait for a cure."""


def diagnosed(one: Stuck, log: str) -> Stuck:
    """Return what is stuck with the last lines of its log, and with what these mean."""
    lines = [line.rstrip() for line in log.splitlines() if line.strip()][-8:]
    if not lines:
        return one
    text = "\n".join(lines)
    fix, patience = one.fix, one.patience
    for pattern, meaning, healing in LOGS:
        if re.search(pattern, text, re.IGNORECASE):
            fix, patience = meaning, min(patience, healing)
            break
    shown = "\n".join(f"    {line}" for line in lines)
    return Stuck(one.name, f"{one.reason} Its last lines:\n{shown}", fix, patience)


def waiting_for_database(pods: Sequence[Object]) -> list[Stuck]:
    """Return the pods that still wait for the database's server: only their log says what it answers.

    While migrations are at it, only theirs: the others wait for them.
    """
    migrating = [pod for pod in pods if _migrates(pod) and (pod.get("status") or {}).get("phase") != "Succeeded"]
    found = []
    for pod in migrating or pods:
        for container in (pod.get("status") or {}).get("initContainerStatuses") or []:
            if container["name"] == "wait" and (container.get("state") or {}).get("running"):
                name, who = pod["metadata"]["name"], "Migrations wait" if migrating else "It waits"
                log = (name, "--container", container["name"])
                found.append(Stuck(f"pod/{name}", f"{who} for the database.", "", UNTIL_DEADLINE, log))
    return found


def _migrates(pod: Object) -> bool:
    return pod["metadata"].get("labels", {}).get("app.kubernetes.io/component") == "migrations"
