"""What `skyrail install` does, after its options were read."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import typer

from skyrail.cli import install_display as display
from skyrail.cli.console import out, say
from skyrail.errors import SkyrailError
from skyrail.install import chart as charts
from skyrail.install import preflight, progress, release
from skyrail.install.adoption.sources import Sources
from skyrail.install.checks import State
from skyrail.install.plan import Request
from skyrail.install.programs import Programs
from skyrail.install.values import Answers


@dataclass(frozen=True)
class Options:
    """What an install depends on beside the values."""

    files: tuple[Path, ...]
    write: Path | None
    dags: str | None
    airflow_config: Path | None
    check: bool
    yes: bool
    timeout: float
    chart: Path | None


def run(namespace: str, name: str, context: str, answers: Answers, options: Options) -> None:
    """Check, and unless that is all, install and wait.

    Raises:
        SkyrailError: something was refused, or does not become ready.
    """
    tools = Programs(namespace, context)
    asking = not options.yes and sys.stdin.isatty() and out.is_terminal
    plain = answers == Answers() and not options.files and not options.check
    # Who has it keeps what was chosen then.
    if asking and plain and not tools.missing() and not release.exists(tools, name):
        answers = display.questions()
    database = answers.database if answers.database and "://" in answers.database else ""
    sources = Sources(database, options.dags or "", options.airflow_config, whole=options.check)
    request = Request(
        name, charts.find([options.chart] if options.chart else None), options.files, answers, sources, options.write
    )
    with display.working("Checking"):
        plan = preflight.check(tools, request)
    display.checks(plan.checks)
    if options.check:
        display.changes(plan, namespace)
    if not plan.passed:
        many = sum(each.state is State.REFUSED for each in plan.checks)
        raise SkyrailError(
            f"Nothing was changed. Checks that were refused: {many}.", fix="What to do about each is said above."
        )
    if options.check:
        return
    if asking and not typer.confirm(f"Install {name} in the namespace {namespace}?", default=True):
        raise SkyrailError("Nothing was changed.")
    if plan.to_write:
        file, text = plan.to_write
        file.write_text(text)
        say(f"Values are in {file}")
    with display.working(f"helm upgrade --install {name}"):
        release.upgrade(tools, name, request.chart, plan.files, new_namespace=plan.new_namespace)
    with display.waiting() as show:
        progress.wait(tools, name, plan.objects, show, timeout=options.timeout)
    display.welcome(tools, name, plan)
