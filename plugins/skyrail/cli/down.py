"""`skyrail down`."""

from __future__ import annotations

from skyrail.cli.console import HomeOption, say
from skyrail.embedded import platform
from skyrail.embedded.home import Home


def down(home: HomeOption = None) -> None:
    """Stop the platform; the data stays. Succeeds too when nothing runs."""
    where = Home.locate(home)
    if platform.down(where, say):
        say(f"Everything has stopped. The data is kept in {where.path}")
    else:
        say(f"Nothing runs on {where.path}")
