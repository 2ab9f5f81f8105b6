"""`skyrail login`."""

from __future__ import annotations

import os
from pathlib import Path

from skyrail.cli.console import HomeOption, home_flag, link_to, login_link, say
from skyrail.embedded import platform
from skyrail.embedded.home import Home
from skyrail.errors import EmbeddedError

LINKS = "AIRFLOW__SKYRAIL_AUTH__LOGIN_LINKS"
ADDRESS = "AIRFLOW__API__BASE_URL"


def login(home: HomeOption = None) -> None:
    """Print a new one-time sign-in link to the running platform.

    In a container of the api-server it is a link to that: its settings say where links are kept, and its address.
    """
    if home is None and (folder := os.environ.get(LINKS)):
        say(link_to(os.environ.get(ADDRESS) or "http://127.0.0.1:8080", Path(folder)))
        return
    where = Home.locate(home)
    state = platform.status(where)
    if not state:
        raise EmbeddedError(
            f"Nothing runs on {where.path}, so there is nothing to sign in to.",
            fix=f"Start it: skyrail up{home_flag(where)}",
        )
    say(login_link(where, state))
