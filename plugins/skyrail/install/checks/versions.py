"""Programs and cluster: are they there, and new enough?"""

from __future__ import annotations

import re
from collections.abc import Sequence

from skyrail.install.checks import Check, ok, refused, warn
from skyrail.install.programs import WHERE

HELM = (3, 16)


def version(text: str) -> tuple[int, int]:
    """Return major and minor of `v1.29.3+k3s1`, `1.29` or `29+`; (0, 0) if there are none."""
    match = re.search(r"(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def programs(missing: Sequence[str]) -> list[Check]:
    """Refuse a program that is not on the PATH."""
    return [refused(name, f"{name} is not on the PATH.", f"Install it: {WHERE[name]}") for name in missing]


def helm(said: str) -> Check:
    """Compare Helm's version with the one that the chart needs."""
    if version(said) < HELM:
        return refused("helm", f"Helm is {said.strip()}; 3.16 or later is needed.", f"Install it: {WHERE['helm']}")
    return ok("helm", said.strip())


def kubernetes(client: str, server: str, minimum: tuple[int, int]) -> list[Check]:
    """Compare the cluster's version with the chart's minimum, and kubectl's with the cluster's."""
    there, here = version(server), version(client)
    if there < minimum:
        needed = ".".join(map(str, minimum))
        return [
            refused(
                "Kubernetes",
                f"The cluster is {server}; the chart needs {needed} or later.",
                f"Choose another cluster with --context, or upgrade this one to {needed}.",
            )
        ]
    rows = [ok("Kubernetes", server)]
    if here[0] != there[0] or abs(here[1] - there[1]) > 1:
        rows.append(
            warn(
                "kubectl",
                f"kubectl is {client}, and the cluster {server}: more than one version apart.",
                f"Install kubectl {there[0]}.{there[1]}: {WHERE['kubectl']}",
            )
        )
    else:
        rows.append(ok("kubectl", client))
    return rows
