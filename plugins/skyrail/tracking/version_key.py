"""The version of an attempt as five parts, so that one can say *which differs*: pure functions of what is known.

Four parts make a result: code, environment, parameters and data. One key is over them: equal keys, equal attempts. The
fifth is what came of it. A part that is not known for certain has no hash, and then there is no key either.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from skyrail.tracking import names


@dataclass(frozen=True)
class Made:
    """What makes an attempt's result. Texts are without secrets, hashes are SHA-256 in hex."""

    revision: str = ""
    """The commit, or the version of Airflow's DAG bundle where there is no repository."""
    patch_sha256: str | None = ""
    """Of what differed from the commit; empty when nothing did, None when that is not known."""
    source_sha256: str = ""
    command: str = ""
    """What runs instead of the function's body, if anything does, as JSON."""
    packages_sha256: str = ""
    """Of the lock of the step's own environment, or of everything that is installed."""
    image: str = ""
    python: str = ""
    platform: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    """The hash of each object that was read, by the argument that it was for."""


def version(made: Made) -> dict[str, str]:
    """Return the hash of each part that is known, and the key over them, as tags."""
    parts = {
        names.VERSION_ENVIRONMENT: _sha256([made.packages_sha256, made.image, made.python, made.platform]),
        names.VERSION_PARAMETERS: _sha256(made.parameters),
        names.VERSION_DATA: _sha256(made.inputs),
    }
    # Without a revision nobody knows what else the function calls.
    if made.patch_sha256 is None or not made.revision or not (made.source_sha256 or made.command):
        return parts
    parts[names.VERSION_CODE] = _sha256([made.revision, made.patch_sha256, made.source_sha256, made.command])
    key = _sha256({name: parts[name] for name in names.VERSION_PARTS})
    return {**parts, names.VERSION: key}


def results(outputs: Mapping[str, str], metrics: Mapping[str, float]) -> dict[str, str]:
    """Return the hash of what came of an attempt: its outputs' hashes and the last value of each metric."""
    return {names.VERSION_RESULTS: _sha256([outputs, {name: repr(float(value)) for name, value in metrics.items()}])}


def _sha256(value: Any) -> str:
    plain = dict(value) if isinstance(value, Mapping) else value
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
