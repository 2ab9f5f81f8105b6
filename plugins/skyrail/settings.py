"""Skyrail's options in Airflow's configuration: one frozen dataclass a section, a paragraph under each field.

A field is an Airflow option of the same name, set as any other (`airflow.cfg`, or the environment variable
`AIRFLOW__<SECTION>__<FIELD>`). Airflow's own list of options and the reference page are made from these classes.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from skyrail.errors import SettingsError


@dataclass(frozen=True)
class TrackingSettings:
    """Where attempts of steps are recorded."""

    section: ClassVar[str] = "skyrail_tracking"

    server: str = "http://127.0.0.1:5000"
    """Address of the MLflow tracking server.

    A task never calls it: what a step records goes to the spool, and the flusher sends it on."""

    browser_url: str = ""
    """Address of MLflow's own pages as a browser reaches them; empty means the same as `server`."""

    spool: str = ""
    """Folder on local disk that holds what was recorded and not yet sent; empty means `spool` under Airflow's home.

    Each attempt has a folder there, removed when the tracking server has everything. A local disk is needed: file
    locks tell the flusher that an attempt has died."""

    store: str = ""
    """Where results of steps go that are too large for an XCom: any fsspec address, such as `s3://bucket/skyrail`.

    Empty means the folder `store` under Airflow's home, which only one machine can read."""

    store_key_conn_id: str = ""
    """Airflow connection whose password is one or more Fernet keys, separated by commas; empty means no encryption.

    With it, results are encrypted before they are written to `store`: by the first key, and read by any of them, so
    that a key is replaced by putting a new one first. What was written before stays readable."""

    inline_bytes: int = 16384
    """Size in bytes up to which a result of plain JSON values stays in the XCom itself.

    16 KiB is read at a glance in Airflow's pages and costs the database little."""

    flush_seconds: float = 1.0
    """How often the flusher looks for something to send, in seconds.

    One second keeps the Runs page close to live at no measurable load."""

    request_seconds: float = 10.0
    """How long one call of the tracking server may take, in seconds, before it counts as away."""


@dataclass(frozen=True)
class AuthSettings:
    """Who may sign in."""

    section: ClassVar[str] = "skyrail_auth"

    login_links: str = ""
    """Folder with the hashes of one-time sign-in links; empty, the default, means that no link is ever accepted.

    `skyrail up` sets it, and so does the compose file. Whoever can write there can sign in as admin, so it is
    readable by its owner alone. `skyrail login` beside the api-server makes links there and prints them, if this is
    set by its environment variable.

    The word `database` is for several api-servers, as in the chart: links are signed with `[api_auth] jwt_secret`,
    and the database remembers which were used."""

    login_command: str = "skyrail login"
    """What the sign-in page tells people to type for a link; empty says nothing. The chart adds its namespace."""


@dataclass(frozen=True)
class NotificationSettings:
    """Whom an alert reaches."""

    section: ClassVar[str] = "skyrail_notifications"

    inbox: str = ""
    """File to which each message is appended as a JSON line; empty means none.

    `skyrail up` sets it: the messages appear in the terminal and on the Skyrail page."""

    email_to: str = ""
    """Addresses, separated by commas, that get each message by e-mail; empty means none."""

    smtp_conn_id: str = "smtp_default"
    """Airflow connection of the mail server, used when `email_to` is set."""

    webhook_conn_id: str = ""
    """Airflow HTTP connection that gets each message as a JSON `POST`; empty means none."""


@dataclass(frozen=True)
class ExecutionSettings:
    """How task processes start."""

    section: ClassVar[str] = "skyrail_execution"

    preload: str = ""
    """Modules, separated by commas, that a scheduler with LocalExecutor and Celery's workers import before they fork.

    A module loaded there costs its tasks nothing. One that cannot be imported is named in the log and left out."""


@dataclass(frozen=True)
class ResourceSettings:
    """Where steps run, and what they share there."""

    section: ClassVar[str] = "skyrail_resources"

    target: str = "local"
    """Where steps run: `local`, on this machine; `celery`, on Celery's workers; `kubernetes`, a pod each."""

    classes: str = ""
    """File with the resource classes; empty means `classes.yaml` beside `airflow.cfg`, or else Skyrail's own."""

    pool_cpu: float = 0.0
    """CPUs that all steps outside Kubernetes share; 0 means those of this machine, as far as it may be used.

    `skyrail up` sets this and the two below. With Celery, which has machines of its own, the platform team does."""

    pool_memory: str = ""
    """Memory that all steps outside Kubernetes share, such as `64Gi`; empty means that of this machine."""

    pool_gpu: int = -1
    """GPUs that all steps outside Kubernetes share; -1 means those of this machine."""

    cpu_ok: bool = False
    """Whether a step that asks for more GPUs than there are outside Kubernetes goes on without any.

    `skyrail up --cpu-ok` sets it, to try out on a laptop what is meant for a larger machine."""

    pod_templates: str = "/opt/airflow/pod_templates"
    """Folder with a pod template for each resource class, as the scheduler sees it."""

    teams: str = ""
    """File with the teams whose steps run in namespaces of their own; empty means that there are none.

    The chart writes it from its value `teams`. Schedulers, which decide, and api-servers, which show logs, read it."""


@dataclass(frozen=True)
class EnvironmentSettings:
    """Environments of steps that name packages of their own."""

    section: ClassVar[str] = "skyrail_environments"

    cache: str = ""
    """Folder of the environments built on this machine; empty means `environments` under Airflow's home.

    On the file system of uv's own cache (`UV_CACHE_DIR`) environments share their files by hard links."""

    keep_gib: float = 20.0
    """Size in GiB beyond which those used longest ago are removed when a new one is built.

    One with pandas and scikit-learn is 0.3 GiB, one with PyTorch 2 to 6. One in use is never removed."""

    baked: str = ""
    """Folder made by `skyrail env bake`, such as a layer of the image, in which to look first; empty means none."""

    auto_lock: bool = False
    """Whether a step whose lock is missing or out of date makes it when it runs; if not, its DAG does not load.

    `skyrail up` sets it. The lock is kept with the environments, not beside the DAG: `skyrail lock` writes one to
    commit. In production off: what runs there is what was locked and reviewed."""


SECTIONS: tuple[type, ...] = (
    TrackingSettings,
    AuthSettings,
    NotificationSettings,
    ExecutionSettings,
    ResourceSettings,
    EnvironmentSettings,
)

S = TypeVar("S")


def load(section: type[S]) -> S:
    """Read one section from Airflow's configuration.

    Raises:
        SettingsError: a value is not of its field's type.
    """
    from airflow.configuration import conf

    values: dict[str, Any] = {}
    for field in dataclasses.fields(section):  # type: ignore[arg-type]
        text = conf.get(section.section, field.name, fallback=None)  # type: ignore[attr-defined]
        if text is None:
            continue
        values[field.name] = _convert(section.section, field.name, str(field.type), text)  # type: ignore[attr-defined]
    return section(**values)


def _convert(section: str, name: str, kind: str, text: str) -> Any:
    try:
        if kind == "bool":
            return {"true": True, "false": False, "1": True, "0": False}[text.strip().lower()]
        return {"str": str, "int": int, "float": float}[kind](text)
    except (ValueError, KeyError):
        raise SettingsError(
            f"[{section}] {name} is {text!r}, which is not of type {kind}.",
            fix=f"Set AIRFLOW__{section.upper()}__{name.upper()} to a value of type {kind}, or remove it.",
        ) from None


def airflow_home() -> Path:
    """Return Airflow's home folder without importing Airflow."""
    return Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser()


def spool_folder(settings: TrackingSettings) -> Path:
    """Return the folder of the spool."""
    return Path(settings.spool) if settings.spool else airflow_home() / "spool"


def environments_folder(settings: EnvironmentSettings) -> Path:
    """Return the folder of the steps' environments."""
    return Path(settings.cache) if settings.cache else airflow_home() / "environments"


def store_url(settings: TrackingSettings) -> str:
    """Return the fsspec address of the artifact store."""
    return settings.store or str(airflow_home() / "store")


@functools.cache
def field_docs(section: type) -> dict[str, str]:
    """Return the paragraph under each field of a section, keyed by the field's name."""
    [tree] = [node for node in ast.parse(inspect.getsource(section)).body if isinstance(node, ast.ClassDef)]
    docs: dict[str, str] = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                docs[name] = inspect.cleandoc(text)
    return docs


def airflow_options() -> dict[str, dict[str, Any]]:
    """Return all sections in the form that Airflow's provider metadata wants under `config`."""
    kinds = {"str": "string", "int": "integer", "float": "float", "bool": "boolean"}
    return {
        section.section: {  # type: ignore[attr-defined]
            "description": inspect.cleandoc(section.__doc__ or ""),
            "options": {
                field.name: {
                    "description": field_docs(section)[field.name],
                    "type": kinds[str(field.type)],
                    "default": str(field.default),
                    "example": None,
                    "version_added": "0.1.0",
                }
                for field in dataclasses.fields(section)
            },
        }
        for section in SECTIONS
    }
