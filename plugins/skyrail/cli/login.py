"""`skyrail login`."""

from __future__ import annotations

from skyrail.cli.console import HomeOption, home_flag, login_link, say
from skyrail.embedded import platform
from skyrail.embedded.home import Home
from skyrail.errors import EmbeddedError


def login(home: HomeOption = None) -> None:
    """Print a new one-time sign-in link to the running platform."""
    where = Home.locate(home)
    state = platform.status(where)
    if not state:
        raise EmbeddedError(
            f"Nothing runs on {where.path}, so there is nothing to sign in to.",
            fix=f"Start it: skyrail up{home_flag(where)}",
        )
    say(login_link(where, state))
