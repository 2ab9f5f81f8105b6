"""`skyrail explain`."""

from __future__ import annotations

import logging
import os
import re
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skyrail.cli.console import say
from skyrail.embedded.checks import dags_folder
from skyrail.embedded.configuration import config_folder

if TYPE_CHECKING:
    from skyrail.steps.resources.placement import Placement


def explain(
    step: Annotated[str, typer.Argument(help="The step, as DAG.STEP.", metavar="DAG.STEP")],
    target: Annotated[
        str | None,
        typer.Option(help="Where it would run: local, celery or kubernetes; as configured if not given."),
    ] = None,
    dags: Annotated[Path, typer.Option(help="Folder with the DAG files.", metavar="FOLDER")] = Path("dags"),
) -> None:
    """Say which resource class a step gets and why; for Kubernetes also print its pod.

    Nothing has to run, and nothing is started. For Kubernetes the output is YAML, with the explanation as comments.
    """
    folder = dags_folder(dags)
    with tempfile.TemporaryDirectory(prefix="skyrail-explain-") as home:
        _configure(Path(home), target)
        for line in _lines(folder, step, target):
            say(line)


def _configure(home: Path, target: str | None) -> None:
    """Give Airflow a home of its own, before it is imported: it writes there, and would look for a database."""
    ours = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONFIG": str(config_folder() / "airflow.cfg"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/none.db",
    }
    for name, value in ours.items():
        os.environ.setdefault(name, value)
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "CRITICAL"
    # A DAG file may name any of them, whatever is configured here: nothing is executed.
    os.environ["AIRFLOW__CORE__EXECUTOR"] = "LocalExecutor,CeleryExecutor,KubernetesExecutor"
    if target:
        # The DAG file finds a place for its steps when it is read, and would refuse what this machine lacks.
        os.environ["AIRFLOW__SKYRAIL_RESOURCES__TARGET"] = target
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)


def _lines(folder: Path, step: str, target: str | None) -> list[str]:
    from skyrail.settings import ResourceSettings, load
    from skyrail.steps.resources.explaining import explanation
    from skyrail.steps.resources.lookup import find_step, place_of, stated
    from skyrail.steps.resources.needs import Needs
    from skyrail.steps.resources.placement import place
    from skyrail.steps.resources.site import shared, target_of

    settings = load(ResourceSettings)
    target_of(settings, target)
    task = find_step(folder, step)
    options = stated(task)
    placement = place(
        step,
        Needs.from_dict(options.get("needs", {})),
        identity=options.get("identity") or None,
        image=options.get("image") or None,
        grow_on_oom=bool(options.get("grow_on_oom")),
        target=target,
    )
    placement = replace(placement, notices=tuple(options.get("notices", ())))
    machine = None if placement.target == "kubernetes" else shared(settings, placement.target)
    file = os.path.relpath(task.dag.fileloc)
    lines = explanation(step, file, placement, place_of(task), machine)
    if machine is not None:
        return lines
    return [*(f"# {line}".rstrip() for line in lines), _manifest(step, options, placement)]


def _manifest(step: str, options: Mapping[str, Any], placement: Placement) -> str:
    import yaml

    from skyrail.kubernetes.pods import step_pod, template
    from skyrail.steps.containers.folders import IN_CONTAINER, Folders

    identity = options.get("identity") or None
    if image := options.get("image"):
        name = re.sub(r"[^a-z0-9]+", "-", step.lower()).strip("-")[:63].rstrip("-")
        pod = step_pod(
            placement.resource_class,
            name=name,
            image=image,
            command=options.get("command", ()),
            environment={"HOME": "/tmp", **Folders(Path(), IN_CONTAINER).environment},  # noqa: S108 -- in the container
            folders={folder: f"/skyrail/{folder}" for folder in ("inputs", "outputs", "config")},
            identity=identity,
        )
    else:
        pod = template(placement.resource_class, identity=identity, larger=placement.larger)
    return str(yaml.safe_dump(pod, sort_keys=False)).rstrip()
