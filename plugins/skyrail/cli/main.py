"""The `skyrail` command. Each subcommand is a module beside this one; add it to the list below.

It imports neither Airflow nor MLflow: `skyrail status` answers at once.
"""

from __future__ import annotations

import typer

from skyrail.cli import down, env, explain, install, lock, login, pod_templates, status, uninstall, up
from skyrail.cli.console import show_error
from skyrail.errors import SkyrailError

app = typer.Typer(
    name="skyrail",
    help="Apache Airflow on rails for data-science teams.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    up.up,
    down.down,
    status.status,
    login.login,
    install.install,
    uninstall.uninstall,
    explain.explain,
    lock.lock,
    pod_templates.pod_templates,
):
    app.command()(command)
app.add_typer(env.app)


def main() -> None:
    """Run the command line; exit code 1 means refused or failed, 2 a wrong use of the command."""
    try:
        app()
    except SkyrailError as error:
        show_error(error)
        raise SystemExit(1) from None
