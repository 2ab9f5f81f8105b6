"""Which objects of a release are data, and whether they outlive it."""

from __future__ import annotations

from collections.abc import Sequence

from skyrail.install.manifests import Object

KEEP = {"helm.sh/resource-policy": "keep"}
RETAIN = "persistentVolumeClaimRetentionPolicy"


def owned_claims(manifest: Sequence[Object], claims: Sequence[Object]) -> list[str]:
    """Return the volumes of a release, by name: its own, and those that its StatefulSets had made for their pods.

    By name and not by label alone: somebody may have put the release's label on a volume of his.
    """
    own = [one["metadata"]["name"] for one in manifest if one["kind"] == "PersistentVolumeClaim"]
    starts = {
        f"{template['metadata']['name']}-{one['metadata']['name']}"
        for one in manifest
        if one["kind"] == "StatefulSet"
        for template in one["spec"].get("volumeClaimTemplates") or []
    }
    return sorted(
        name
        for name in (one["metadata"]["name"] for one in claims)
        if name in own or (name.rpartition("-")[0] in starts and name.rpartition("-")[2].isdigit())
    )


def keeps(manifest: Sequence[Object]) -> bool:
    """Whether Helm and Kubernetes leave the data of these objects when they are uninstalled."""
    data = [one for one in manifest if one["kind"] in ("PersistentVolumeClaim", "Secret")]
    sets = [one for one in manifest if one["kind"] == "StatefulSet" and RETAIN in one["spec"]]
    return all(KEEP.items() <= (one["metadata"].get("annotations") or {}).items() for one in data) and all(
        one["spec"][RETAIN]["whenDeleted"] == "Retain" for one in sets
    )
