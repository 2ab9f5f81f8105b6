"""Will somebody make the volumes that the chart asks for?"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from skyrail.install.checks import Check, ok, refused, unknown, warn
from skyrail.install.manifests import Object, amount, claims, said

DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")

ONE_NODE_ONLY = (
    "ebs.csi.aws.com", "pd.csi.storage.gke.io", "disk.csi.azure.com", "kubernetes.io/aws-ebs", "kubernetes.io/gce-pd",
    "kubernetes.io/azure-disk", "cinder.csi.openstack.org", "kubernetes.io/cinder", "csi.hetzner.cloud",
    "dobs.csi.digitalocean.com", "rancher.io/local-path", "openebs.io/local", "topolvm.io", "local.csi.openebs.io",
    "rbd.csi.ceph.com", "linodebs.csi.linode.com", "ebs.csi.eks.amazonaws.com",
)  # fmt: skip
"""Provisioners of disks, which one node at a time can have: they refuse ReadWriteMany for file systems."""

MANY_NODES = (
    "efs.csi.aws.com", "filestore.csi.storage.gke.io", "file.csi.azure.com", "kubernetes.io/azure-file",
    "nfs.csi.k8s.io", "cephfs.csi.ceph.com", "driver.longhorn.io", "smb.csi.k8s.io", "fsx.csi.aws.com",
    "cluster.local/nfs-subdir-external-provisioner", "lustre.csi.storage.gke.io",
)  # fmt: skip


def storage(
    objects: Sequence[Object], classes: Sequence[Object] | None, nodes: int | None, existing: Collection[str] = ()
) -> list[Check]:
    """Compare claims with the classes of the cluster.

    Args:
        objects: what the chart renders.
        classes: all StorageClasses; None if they may not be seen.
        nodes: how many take pods; None if they may not be seen.
        existing: names of the claims that are there, which nobody has to make.
    """
    wanted = [(name, spec, many) for name, spec, many in claims(objects) if name not in existing]
    if not wanted:
        return [ok("Storage", "All volumes are there.")]
    if classes is None:
        return [unknown("Storage", "You may not list StorageClasses, so nobody knows whether volumes can be made.")]
    names = {each["metadata"]["name"]: each for each in classes}
    defaults = [name for name, each in names.items() if _is_default(each)]
    rows: list[Check] = []
    for asked in sorted({spec.get("storageClassName") or "" for _, spec, _ in wanted}):
        rows += _named(asked, names, defaults)
    if rows:
        return rows
    size = sum(amount(spec["resources"]["requests"]["storage"]) * many for _, spec, many in wanted)
    asked = str(wanted[0][1].get("storageClassName") or defaults[0])
    total = f"{sum(many for *_, many in wanted)} volumes, {said(size, 'storage')}, of the class {asked}."
    rows = [ok("Storage", total)]
    for name, spec, _ in wanted:
        chosen = names[spec.get("storageClassName") or defaults[0]]
        rows += _access(name, spec["accessModes"], chosen, names, nodes)
    if len(defaults) > 1:
        rows.append(warn("Storage", f"There are several default classes: {', '.join(defaults)}; the newest counts."))
    return rows


def _named(asked: str, names: dict[str, Object], defaults: list[str]) -> list[Check]:
    there = ", ".join(names) or "none at all"
    if asked and asked not in names:
        return [
            refused(
                "Storage",
                f"There is no StorageClass {asked}; there is {there}.",
                "Name one that is there:\nstorage:\n  volume:\n    class: …",
            )
        ]
    if not asked and not defaults:
        return [
            refused(
                "Storage",
                f"No StorageClass is the default; there is {there}.",
                "Name one:\nstorage:\n  volume:\n    class: …",
            )
        ]
    return []


def _access(name: str, modes: list[str], chosen: Object, names: dict[str, Object], nodes: int | None) -> list[Check]:
    provisioner, label = chosen["provisioner"], chosen["metadata"]["name"]
    if "ReadWriteMany" not in modes:
        if name.endswith("-shared") and nodes and nodes > 1:
            return [
                warn(
                    "Shared volume",
                    f"{name} can be on one node at a time, and there are {nodes}: pods on the others will not start.",
                    "Use a class that many nodes may write, and storage.volume.access: ReadWriteMany.",
                )
            ]
        return []
    if provisioner in ONE_NODE_ONLY:
        others = [each for each, one in names.items() if one["provisioner"] in MANY_NODES]
        fix = f"Name a class that many nodes may write{': ' + ', '.join(others) if others else ', such as NFS or EFS'}:"
        fix += "\nstorage:\n  volume:\n    class: …"
        if nodes == 1:
            fix += "\nOn one node this does, too:\nstorage:\n  volume:\n    access: ReadWriteOnce"
        return [refused("Shared volume", f"The class {label} ({provisioner}) makes disks for one node at a time.", fix)]
    if provisioner in MANY_NODES:
        return [ok("Shared volume", f"{label} ({provisioner}) can be written from several nodes.")]
    return [
        warn(
            "Shared volume",
            f"It is not known whether {label} ({provisioner}) can be written from several nodes (ReadWriteMany).",
            "Its documentation says so. If not, the install will say that the volume waits.",
        )
    ]


def _is_default(one: Object) -> bool:
    said = one["metadata"].get("annotations") or {}
    return any(said.get(name) == "true" for name in DEFAULT)
