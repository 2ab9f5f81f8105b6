"""Resource classes: the sizes that the platform team offers, in `classes.yaml`."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skyrail.steps.resources.errors import ResourceError
from skyrail.steps.resources.marked import Marked, Mistakes, read
from skyrail.steps.resources.readers import OPTIONAL, REQUIRED


@dataclass(frozen=True)
class ResourceClass:
    """One size that steps can have, and where it is."""

    name: str
    """Lower-case letters, digits and dashes: part of the names of files and of Kubernetes objects."""
    cpu: float
    """CPUs."""
    memory: int
    """Bytes."""
    gpu: int = 0
    gpu_type: str = ""
    disk: int | None = None
    """Bytes of scratch space; None is a class that promises none."""
    shared_memory: int | None = None
    """Bytes of `/dev/shm`, part of `memory`; None is a class that promises none."""
    price: float | None = None
    """What an hour costs, in whatever currency the platform team thinks in."""
    executor: str = ""
    """Where it runs whatever the target is, `CeleryExecutor` or `KubernetesExecutor`; empty is the target's own."""
    queue: str = ""
    """Queue of the workers of this size; empty is Airflow's default queue."""
    pod_template: str = ""
    """File of its pod template in the folder of templates; empty is `<name>.yaml`."""
    identities: tuple[str, ...] = ()
    """Service accounts that a step may ask for by `identity=`; none by default."""
    images: tuple[str, ...] = ()
    """Patterns of the images that a step may ask for by `image=`; none by default."""
    node_selector: dict[str, str] = field(default_factory=dict)
    """Labels of the Kubernetes nodes that have this size."""
    tolerations: tuple[dict[str, Any], ...] = ()
    """Taints of Kubernetes nodes that its pods put up with."""
    gpu_resource: str = "nvidia.com/gpu"
    """What Kubernetes calls such a GPU: a part is `nvidia.com/mig-1g.5gb`, a shared one `nvidia.com/gpu.shared`."""
    runtime_class: str = ""
    """RuntimeClass of its pods, such as `nvidia` where that is not the nodes' default."""
    priority_class: str = ""
    """PriorityClass of its pods: whom they push out, and who pushes them out, when nodes are full."""
    retired: bool = False
    """Whether new runs go elsewhere, while what waits for this class still finds it."""
    where: str = field(default="", compare=False)
    """File and line, for messages."""


def load_classes(path: Path) -> tuple[ResourceClass, ...]:
    """Read the classes of a file, in its order.

    Raises:
        ResourceError: naming every mistake as `file:line:column: sentence`.
    """
    try:
        known = path.stat()
        return _load(path, known.st_mtime_ns, known.st_size)
    except OSError as error:
        raise ResourceError(
            f"The resource classes cannot be read from {path}: {error.strerror}.",
            fix="Put the file there, or say where it is: [skyrail_resources] classes.",
        ) from None


@functools.lru_cache(maxsize=4)
def _load(path: Path, _changed: int, _size: int) -> tuple[ResourceClass, ...]:
    """Read a file once for each of its versions: a DAG file may have a hundred steps."""
    mistakes = Mistakes(path)
    found = _file(path, mistakes)
    if mistakes:
        raise ResourceError(
            "\n".join(mistakes.lines), fix="Correct the file. It has a key `classes`: a list of name, cpu, memory, …"
        )
    return found


def _file(path: Path, mistakes: Mistakes) -> tuple[ResourceClass, ...]:
    document = read(path, mistakes)
    if document is None:
        return ()
    entries = document.take_mappings("classes")
    document.refuse_others()
    found: dict[str, ResourceClass] = {}
    for entry in entries or ():
        one = _entry(entry, mistakes)
        if one is not None and one.name in found:
            mistakes.add(entry.key("name"), f"There is a class {one.name!r} already, at {found[one.name].where}.")
        elif one is not None:
            found[one.name] = one
    if not mistakes and all(one.retired for one in found.values()):
        mistakes.add(document.key("classes"), "There is no class that steps could have.")
    return tuple(found.values())


def _entry(entry: Marked, mistakes: Mistakes) -> ResourceClass | None:
    before = len(mistakes)
    values = {key: entry.take(key, reader, required=True) for key, reader in REQUIRED.items()}
    values |= {key: value for key, reader in OPTIONAL.items() if (value := entry.take(key, reader)) is not None}
    entry.refuse_others()
    if values["name"] is None:
        return None
    # A class with mistakes is still known by its name, so that a second one of that name is found in the same go.
    one = ResourceClass(**values, where=f"{mistakes.path}:{entry.line}")  # type: ignore[arg-type]
    if len(mistakes) == before:
        if bool(one.gpu) != bool(one.gpu_type):
            mistakes.add(entry.key("gpu" if one.gpu else "gpu_type"), "gpu and gpu_type belong together.")
        if "gpu_resource" in values and not one.gpu:
            mistakes.add(entry.key("gpu_resource"), "gpu_resource says which GPUs, and this class has none.")
        if (one.shared_memory or 0) > one.memory:
            mistakes.add(entry.key("shared_memory"), "shared_memory is part of memory, and cannot be more than it.")
    return one
