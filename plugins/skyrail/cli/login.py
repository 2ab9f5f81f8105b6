"""`skyrail login`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from skyrail.cli.console import HomeOption, home_flag, link_to, login_link, say
from skyrail.embedded import platform
from skyrail.embedded.home import Home
from skyrail.errors import EmbeddedError, SkyrailError

LINKS = "AIRFLOW__SKYRAIL_AUTH__LOGIN_LINKS"
ADDRESS = "AIRFLOW__API__BASE_URL"


def login(
    home: HomeOption = None,
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", help="Namespace of a platform on Kubernetes.", metavar="NAMESPACE"),
    ] = None,
    release: Annotated[
        str | None, typer.Option(help="Its Helm release; needed if there are several.", metavar="RELEASE")
    ] = None,
    context: Annotated[
        str | None, typer.Option(help="Context of kubectl; the current one if not given.", metavar="CONTEXT")
    ] = None,
) -> None:
    """Print a new one-time sign-in link to the running platform.

    With --namespace it is the platform there, and takes the right to `kubectl exec`. In a container of the api-server
    it is a link to that: its settings say where links are kept, and its address.
    """
    if namespace is not None:
        from skyrail.cli.remote_login import remote_login

        remote_login(namespace, release, context)
        return
    if release or context:
        raise SkyrailError(
            "--release and --context are about a platform on Kubernetes.", fix="Add its --namespace, too."
        )
    if home is None and (kept := os.environ.get(LINKS)):
        say(_link_here(os.environ.get(ADDRESS) or "http://127.0.0.1:8080", kept))
        return
    where = Home.locate(home)
    state = platform.status(where)
    if not state:
        raise EmbeddedError(
            f"Nothing runs on {where.path}, so there is nothing to sign in to.",
            fix=f"Start it: skyrail up{home_flag(where)}",
        )
    say(login_link(where, state))


def _link_here(address: str, kept: str) -> str:
    if kept == "database":
        # It reads Airflow's configuration, where the key that signs is; the other kind does without Airflow.
        from skyrail.auth.shared_links import create_shared_token

        return f"{address.rstrip('/')}/auth/link?token={create_shared_token()}"
    return link_to(address, Path(kept))
