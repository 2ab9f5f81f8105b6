"""Values of the chart: what was chosen, as the short file that Helm gets; only what differs from the defaults."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from skyrail.errors import SkyrailError
from skyrail.install.chart import Chart

Values = dict[str, Any]
LOCAL = ("localhost", "127.0.0.1", "::1")

HEAD = """\
# Written by `skyrail install`: what differs from the chart's defaults. It is yours: change it, keep it in git, and name
# it with --values the next time. Each key: docs/reference/values.md.
"""


@dataclass(frozen=True)
class Answers:
    """What a newcomer must choose; None is: not said."""

    git: str | None = None
    git_ref: str | None = None
    git_folder: str | None = None
    registry: str | None = None
    database: str | None = None
    database_secret: str | None = None
    mlflow_secret: str | None = None
    mlflow_url: str | None = None
    airflow_secret: str | None = None
    broker_secret: str | None = None
    bucket: str | None = None
    bucket_secret: str | None = None
    address: str | None = None
    ingress: str | None = None
    tls_secret: str | None = None
    gpu: bool | None = None
    executor: str | None = None
    keep_data: bool | None = None


PATHS = {
    "git": "dags.git.repository",
    "git_ref": "dags.git.ref",
    "git_folder": "dags.git.folder",
    "database_secret": "database.passwordSecret",
    "mlflow_secret": "mlflow.passwordSecret",
    "mlflow_url": "mlflow.url",
    "airflow_secret": "secrets.airflow",
    "broker_secret": "broker.urlSecret",
    "bucket": "storage.bucket",
    "bucket_secret": "storage.keySecret",
    "tls_secret": "ingress.tlsSecret",
    "executor": "executor",
    "keep_data": "keepData",
}  # fmt: skip
"""Key of the chart that an answer is, where it is just one."""


def from_answers(answers: Answers, chart: Chart) -> Values:
    """Return the values that answers ask for.

    Raises:
        SkyrailError: the database's port is none.
    """
    values: Values = {}
    for name, path in PATHS.items():
        if (value := getattr(answers, name)) is not None:
            put(values, path, value)
    if answers.database:
        _put_database(values, answers.database)
    if answers.registry:
        registry = answers.registry.rstrip("/")
        for key, image in (("image", "skyrail"), ("mlflow.image", "mlflow"), ("store.image", "store")):
            put(values, f"{key}.repository", f"{registry}/{image}")
    if answers.address:
        scheme, _, host = answers.address.rpartition("://")
        if answers.ingress:
            put(values, "ingress.host", host.strip("/"))
        else:
            put(values, "apiServer.url", f"{scheme or 'https'}://{host.strip('/')}")
    if answers.ingress:
        put(values, "ingress.kind", answers.ingress)
    if answers.gpu is False:
        # A step that asks for a GPU is then refused when its DAG is read, and does not wait for one for ever.
        put(values, "resourceClasses", [each for each in chart.classes() if not each.get("gpu")])
    return values


def _put_database(values: Values, said: str) -> None:
    try:
        address = urlsplit(said if "://" in said else f"//{said}")
        found = {"port": address.port, "user": address.username, "name": address.path.strip("/")}
    except ValueError:
        raise SkyrailError(
            f"--database {said} is no HOST, HOST:PORT or postgresql:// address.",
            fix="Write --database postgresql.example.com, or postgresql://USER@HOST/NAME.",
        ) from None
    # By localhost, this machine reads the database through a tunnel; the cluster has another address for it.
    if address.hostname in LOCAL:
        return
    put(values, "database.host", address.hostname)
    for name, value in found.items():
        if value:
            put(values, f"database.{name}", value)


def put(values: Values, path: str, value: Any) -> None:
    """Set a value by its path, `dags.git.ref`."""
    *above, last = path.split(".")
    for key in above:
        values = values.setdefault(key, {})
    values[last] = value


def at(values: Mapping[str, Any], path: str) -> Any:
    """Return a value by its path; None if it is not there."""
    found: Any = values
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def merged(*layers: Mapping[str, Any]) -> Values:
    """Merge values as Helm does: maps by key, all else by the last."""
    found: Values = {}
    for layer in layers:
        for key, value in layer.items():
            if isinstance(value, Mapping) and isinstance(found.get(key), Mapping):
                found[key] = merged(found[key], value)
            else:
                found[key] = copy.deepcopy(value)
    return found


def differing(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> Values:
    """Return what differs from the defaults."""
    found: Values = {}
    for key, value in values.items():
        if key not in defaults:
            found[key] = value
        elif isinstance(value, Mapping) and isinstance(defaults[key], Mapping):
            if below := differing(value, defaults[key]):
                found[key] = below
        elif value != defaults[key]:
            found[key] = value
    return found


def read(files: Sequence[Path]) -> Values:
    """Return what values files say together, the last one winning.

    Raises:
        SkyrailError: a file cannot be read, or is no map.
    """
    layers = []
    for file in files:
        try:
            loaded = yaml.safe_load(file.read_text())
        except OSError as error:
            raise SkyrailError(
                f"The values file {file} cannot be read: {error.strerror}.", fix="Name one that is there."
            ) from None
        except UnicodeDecodeError:
            raise SkyrailError(f"{file} is no text.", fix="Name a file with YAML.") from None
        except yaml.YAMLError as error:
            raise SkyrailError(f"{file} is no YAML: {error}", fix="Correct the line that it names.") from None
        if loaded is not None and not isinstance(loaded, dict):
            raise SkyrailError(f"{file} holds no keys with values.", fix="Write `key: value` lines, as in values.yaml.")
        layers.append(loaded or {})
    return merged(*layers)


def text_of(values: Values) -> str:
    """Return a values file."""
    return HEAD + (yaml.safe_dump(values, sort_keys=False, width=118) if values else "{}\n")


def is_ours(file: Path) -> bool:
    """Whether a file was written by us, so that we may write it again when it is named."""
    return file.is_file() and file.read_text().startswith(HEAD.splitlines()[0])
