"""`skyrail pod-templates`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skyrail.cli.console import say
from skyrail.errors import SkyrailError


def pod_templates(
    base: Annotated[Path, typer.Option(help="The pod that all have in common, as YAML.", metavar="FILE")],
    out: Annotated[Path, typer.Option(help="Folder for the templates.", metavar="FOLDER")],
    identities: Annotated[
        Path | None, typer.Option(help="What service accounts need: NAME: {labels: …}.", metavar="FILE")
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(help="The resource classes; as configured if not given.", metavar="FILE")
    ] = None,
) -> None:
    """Write a pod template for each resource class; a scheduler on Kubernetes does so before it starts."""
    import yaml

    from skyrail.kubernetes.pods import templates
    from skyrail.settings import ResourceSettings
    from skyrail.steps.resources.classes import load_classes
    from skyrail.steps.resources.matching import larger
    from skyrail.steps.resources.site import classes_file

    known = load_classes(classes or classes_file(ResourceSettings()))
    try:
        common = yaml.safe_load(base.read_text())
        labels = (yaml.safe_load(identities.read_text()) if identities else None) or {}
        found = templates(known, common, labels, lambda one, identity: larger(one, known, identity=identity))
        out.mkdir(parents=True, exist_ok=True)
        for name, pod in found.items():
            (out / name).write_text(yaml.safe_dump(pod, sort_keys=False))
    except OSError as error:
        raise SkyrailError(
            f"The pod templates cannot be made: {error.filename}: {error.strerror}.",
            fix="The chart mounts the files and the folder; see that they are readable and writable by this user.",
        ) from error
    say(f"{len(found)} pod templates in {out}")
