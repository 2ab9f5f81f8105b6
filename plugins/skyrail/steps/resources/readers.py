"""How the values of a resource class are read.

Each function returns the value, or raises ValueError with words that follow "is".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from skyrail.steps.resources.needs import READERS as NEEDS

EXECUTORS = ("CeleryExecutor", "KubernetesExecutor")
TOLERATION = ("key", "operator", "value", "effect", "tolerationSeconds")

_RESOURCE = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?/[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?")


def name(value: Any) -> str:
    """Read a name that files and Kubernetes objects can have."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError("no name: write up to 50 lower-case letters, digits and dashes")
    return value


def names(value: Any) -> tuple[str, ...]:
    """Read a list of names."""
    if not isinstance(value, list):
        raise ValueError("no list of names")
    return tuple(name(item) for item in value)


def text(value: Any) -> str:
    """Read a text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("no text")
    return value


def texts(value: Any) -> tuple[str, ...]:
    """Read a list of texts."""
    if not isinstance(value, list):
        raise ValueError("no list of texts")
    return tuple(text(item) for item in value)


def labels(value: Any) -> dict[str, str]:
    """Read labels of Kubernetes nodes; YAML's `true` would be no text to Kubernetes."""
    if not isinstance(value, dict) or not all(isinstance(part, str) for pair in value.items() for part in pair):
        raise ValueError('no mapping of texts to texts: put quotes around values such as "true" and "1"')
    return value


def tolerations(value: Any) -> tuple[dict[str, Any], ...]:
    """Read tolerations as a pod has them."""
    if not isinstance(value, list) or not all(
        isinstance(item, dict) and set(item) <= set(TOLERATION) for item in value
    ):
        raise ValueError(f"no list of tolerations: each has keys of {', '.join(TOLERATION)}")
    return tuple(value)


def extended_resource(value: Any) -> str:
    """Read the name of a device as nodes offer it."""
    if not isinstance(value, str) or not _RESOURCE.fullmatch(value):
        raise ValueError("no name of a device: `kubectl describe node` lists those that there are, as nvidia.com/gpu")
    return value


def boolean(value: Any) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")
    return value


def executor(value: Any) -> str:
    """Read an executor that can be beside another."""
    if value not in EXECUTORS:
        raise ValueError(f"no executor that a class can name: write {' or '.join(EXECUTORS)}, or leave it out")
    return str(value)


def price(value: Any) -> float:
    """Read what an hour costs."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise ValueError("no price: write what an hour costs as a number, such as 0.35")
    return float(value)


def file_name(value: Any) -> str:
    """Read the name of a file of YAML, without a folder."""
    if not isinstance(value, str) or Path(value).name != value or not value.endswith(".yaml"):
        raise ValueError("no name of a file in the folder of pod templates, such as gpu.yaml")
    return value


REQUIRED: dict[str, Callable[[Any], Any]] = {"name": name, "cpu": NEEDS["cpu"], "memory": NEEDS["memory"]}
OPTIONAL: dict[str, Callable[[Any], Any]] = {
    "gpu": NEEDS["gpu"],
    "gpu_type": NEEDS["gpu_type"],
    "disk": NEEDS["disk"],
    "shared_memory": NEEDS["shared_memory"],
    "price": price,
    "executor": executor,
    "queue": text,
    "pod_template": file_name,
    "identities": names,
    "images": texts,
    "node_selector": labels,
    "tolerations": tolerations,
    "gpu_resource": extended_resource,
    "runtime_class": name,
    "priority_class": name,
    "retired": boolean,
}
