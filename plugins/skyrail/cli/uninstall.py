"""`skyrail uninstall`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from skyrail.cli.console import out, say
from skyrail.cli.install import ContextOption, ReleaseOption
from skyrail.errors import SkyrailError

if TYPE_CHECKING:
    from skyrail.install.removal import Removal


def uninstall(
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Namespace of the release.", metavar="NAMESPACE")
    ] = "skyrail",
    name: ReleaseOption = "skyrail",
    context: ContextOption = "",
    keep_data: Annotated[
        bool | None,
        typer.Option(
            "--keep-data/--delete-data",
            help="Whether volumes and secrets stay; as the release was installed (keepData) if not given.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for the release's name.")] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait until nothing of it runs.")] = 300,
) -> None:
    """Remove Skyrail from a Kubernetes cluster, with the pods of steps that run.

    Its volumes and secrets go, too, unless --keep-data is given: without the secrets, what is encrypted in the database
    is lost. Nothing else in the namespace is touched. At the end it says what is left, and how to remove that.
    """
    # Here, so that other commands start without them.
    from skyrail.install import chart, removal
    from skyrail.install import release as releases
    from skyrail.install.programs import WHERE, ProgramError, Programs

    tools = Programs(namespace, context)
    for program in tools.missing():
        raise ProgramError(f"{program} is not on the PATH.", fix=f"Install it: {WHERE[program]}")
    plan = removal.look(tools, name, keep_data)
    values = releases.own_values(tools, name)
    _tell(plan, namespace)
    if not yes:
        if not sys.stdin.isatty():
            raise SkyrailError("Nothing was removed: there is no terminal to ask on.", fix="Add --yes to go on.")
        if typer.prompt(f"To remove it, write the release's name, {name}", default="", show_default=False) != name:
            raise SkyrailError("Nothing was removed.")
    removal.remove(tools, plan, chart.find(), say, timeout=timeout)
    out.print(f"{name} is removed from the namespace {namespace}.", style="bold green")
    say("What is left:")
    for line in removal.remaining(tools, plan, values):
        say(f"  {line}")


def _tell(plan: Removal, namespace: str) -> None:
    say(f"{plan.release} ({plan.chart}) in the namespace {namespace}:")
    for title, names in (("volumes", plan.claims), ("secrets", plan.secrets)):
        if names:
            say(f"  {title} {'stay' if plan.keep else 'are deleted'}: {', '.join(names)}")
    if plan.steps:
        say(f"  steps that run are ended: {len(plan.steps)}")
