"""What `skyrail install` and `skyrail uninstall` show: rich on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

import typer
from rich.live import Live
from rich.table import Table
from rich.text import Text

from skyrail.cli.console import out, say
from skyrail.cli.remote_login import remote_login
from skyrail.install.changes import changes as differences
from skyrail.install.changes import drift
from skyrail.install.checks import Check, State
from skyrail.install.manifests import key
from skyrail.install.plan import Plan
from skyrail.install.programs import Programs
from skyrail.install.progress import Progress
from skyrail.install.release import notes, unsafe
from skyrail.install.values import Answers, at

MARKS = {
    State.OK: ("✓", "green"),
    State.WARN: ("!", "yellow"),
    State.REFUSED: ("✗", "bold red"),
    State.UNKNOWN: ("?", "dim"),
}


def questions() -> Answers:
    """Ask a newcomer what only he can know; Enter takes the default, which needs nothing."""
    say("A few questions; Enter takes what is in brackets. Options of the command say the same without them.")

    def ask(text: str) -> str | None:
        return typer.prompt(text, default="", show_default=False).strip() or None

    registry = ask("Registry with the images, such as registry.example.com/skyrail [images are on the nodes]")
    git = ask("Git repository of the DAGs [the examples in the image]")
    ref = ask("Its branch or tag [main]") if git else None
    database = ask("Host of your PostgreSQL [one in the cluster, for evaluation]")
    secret = mlflow = None
    if database:
        secret = ask("Secret with the password of its user airflow [skyrail-database]") or "skyrail-database"
        mlflow = ask("Secret with the password of its user mlflow [skyrail-mlflow]") or "skyrail-mlflow"
    executor = ask("Executors [CeleryExecutor,KubernetesExecutor]")
    broker = None
    if not executor or "Celery" in executor:
        broker = ask("Secret with the address of your Redis or Valkey [one in the cluster, for evaluation]")
    bucket = ask("Bucket for results, such as s3://bucket/skyrail [a volume]")
    address = ask("Address that people use, such as airflow.example.com [kubectl port-forward]")
    ingress = ask("It leads here by ingress or gateway [something else]") if address else None
    gpu = typer.confirm("May steps ask for GPUs?", default=False)
    return Answers(
        registry=registry, git=git, git_ref=ref, database=database, database_secret=secret, mlflow_secret=mlflow,
        executor=executor, broker_secret=broker, bucket=bucket, address=address, ingress=ingress,
        gpu=None if gpu else False,
    )  # fmt: skip


def checks(rows: Sequence[Check]) -> None:
    """Print the table of checks, and below it each problem with what to do next."""
    if out.is_terminal:
        table = Table(box=None, pad_edge=False)
        for title in ("check", "", "found"):
            table.add_column(title, overflow="fold")
        for row in rows:
            mark, style = MARKS[row.state]
            table.add_row(row.name, Text(f"{mark} {row.state}", style), Text(row.found))
        out.print(table)
    else:
        for row in rows:
            say(f"{row.state:<11} {row.name}: {row.found}")
    for state, title in ((State.REFUSED, "To be mended first:"), (State.WARN, "To think about:")):
        found = [row for row in rows if row.state is state and row.fix]
        if found:
            say("")
            out.print(title, style=MARKS[state][1])
        for row in found:
            say(f"  {row.name}: {row.found}")
            for line in row.fix.splitlines():
                say(f"    {line}")
    say("")


def changes(plan: Plan, namespace: str) -> None:
    """Print what an install into a namespace would change."""
    if not plan.objects:
        return
    if not plan.exists:
        say(f"{len(plan.objects)} objects would be made; {plan.request.release} is not installed yet.")
        kinds: dict[str, list[str]] = {}
        for one in plan.objects:
            kinds.setdefault(one["kind"], []).append(one["metadata"]["name"])
        for kind, names in sorted(kinds.items()):
            say(f"  {kind}: {', '.join(sorted(names))}")
        return
    found = differences(plan.before, plan.objects)
    if not found:
        say(f"Nothing would change in {plan.request.release}.")
    # As it was installed, what is gone is made again, and what was changed by hand is changed back.
    asked = {key(one) for one in plan.objects}  # only these were looked for in the cluster
    by_hand = drift([one for one in plan.before if key(one) in asked], plan.live) if plan.live else []
    for change in [*found, *by_hand]:
        restarts = "; its pods are replaced" if change.restarts else ""
        elsewhere = f" in {change.namespace}" if change.namespace not in ("", namespace) else ""
        say(f"  {change.what:<8} {change.kind}/{change.name}{elsewhere}{restarts}")
        for line in change.details:
            say(f"             {line}")


@contextlib.contextmanager
def working(text: str) -> Iterator[None]:
    """Show that something is being done."""
    if out.is_terminal:
        with out.status(text):
            yield
    else:
        say(f"{text} …")
        yield


@contextlib.contextmanager
def waiting() -> Iterator[Callable[[Progress], None]]:
    """Show a wait: a table that changes on a terminal; elsewhere a line for each part and reason, once."""
    if out.is_terminal:
        with Live(console=out, auto_refresh=False, transient=True) as live:
            yield lambda progress: live.update(_table(progress), refresh=True)
        return
    said: set[tuple[str, str]] = set()
    began = time.monotonic()

    def line(name: str, text: str, topic: tuple[str, str]) -> None:
        if topic not in said:
            said.add(topic)
            say(f"{time.monotonic() - began:4.0f} s  {name}: {text}")

    def show(progress: Progress) -> None:
        for part in progress.parts:
            if part.ready:
                line(part.name, "ready", (part.name, "ready"))
        for each in progress.stuck:
            line(each.name, each.reason, each.topic)

    yield show


def _table(progress: Progress) -> Table:
    table = Table(box=None, pad_edge=False, title=f"{progress.seconds:.0f} s", title_justify="left")
    for title in ("part", "ready", ""):
        table.add_column(title, overflow="fold")
    for part in progress.parts:
        mark, style = MARKS[State.OK] if part.ready else ("·", "dim")
        table.add_row(Text(f"{mark} {part.name}", style), part.count, "")
    for each in progress.stuck:
        table.add_row(Text(f"! {each.name}", "yellow"), "", Text(each.reason))
    return table


def welcome(tools: Programs, release: str, plan: Plan) -> None:
    """Print how to get in, what is not safe for production yet, and what next."""
    namespace = tools.namespace
    out.print(f"{release} runs in the namespace {namespace}.", style="bold green")
    say("")
    context = f" --context {tools.context}" if tools.context else ""
    if out.is_terminal:
        say("Sign in; the link works once:")
        remote_login(namespace, release, tools.context or None)
    else:
        # A sign-in link must not lie in a log.
        say(f"Sign in: skyrail login --namespace {namespace} --release {release}{context}")
    risks = unsafe(notes(tools, release))
    if risks:
        say("")
        say("Not safe for production yet:")
        for risk in risks:
            say(f"  * {risk}")
    say("")
    named = "".join(f" --values {file}" for file in plan.files)
    say(f"To change something: skyrail install --namespace {namespace} --release {release}{context}{named} --check")
    if not at(plan.values, "dags.git.repository"):
        say("Next, your own DAGs: --git ADDRESS, or an image with them (docs/image.md).")
