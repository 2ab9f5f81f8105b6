"""Why a database cannot be used, in a sentence, from what PostgreSQL, PgBouncer and libpq say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from skyrail.errors import SkyrailError


class DatabaseError(SkyrailError):
    """The database refuses this installation, and will go on doing so."""


@dataclass(frozen=True)
class Problem:
    """What is wrong, and what to do about it."""

    message: str
    fix: str = ""
    lasting: bool = True
    """Whether somebody has to change something; if not, waiting may help."""


# The text of the error, what is wrong, and the fix. {place} is host and port. The first that matches counts.
_KNOWN = (
    (
        "password authentication failed|no password supplied|SASL authentication failed",
        "The database at {place} refuses the password of the user {user!r}.",
        "See that the Secret which the value database.passwordSecret names has this user's password under `password`. "
        "The chart's own database keeps the one it was made with: a Secret made anew does not fit an old volume.",
    ),
    (
        "SSL required",
        "The database at {place} lets nobody in without TLS.",
        "Set the value database.ssl to require, or to verify-full.",
    ),
    (
        # PostgreSQL says `no encryption` whenever a connection had none: also where no line fits with TLS either.
        "no pg_hba.conf entry",
        "The database at {place} does not let the user {user!r} into the database {name!r} from here.",
        "Add a line to its pg_hba.conf, or allow this network at the provider. If it wants TLS, set the value "
        "database.ssl to require, or to verify-full.",
    ),
    (
        r'database "[^"]*" does not exist|no such database',
        "At {place} there is no database {name!r}.",
        "Make it, empty and owned by the user: CREATE DATABASE {name} OWNER {user}",
    ),
    (
        r'role "[^"]*" does not exist|no such user',
        "The database at {place} knows no user {user!r}.",
        "Make it, or correct the value database.user.",
    ),
    (
        "does not support SSL",
        "The database at {place} offers no TLS, and the value database.ssl asks for it.",
        "Turn TLS on there, or set database.ssl to prefer.",
    ),
    (
        "root certificate file|certificate verify failed|server certificate",
        "The certificate of the database at {place} cannot be trusted.",
        "Name a ConfigMap with the authority that signed it, in the value database.caConfigMap; the certificate has to "
        "have the name in database.host.",
    ),
)


def problem(error: BaseException, address: str) -> Problem:
    """Return what a failed connection means.

    Args:
        error: from psycopg2, of which only the text is looked at: connections that fail have no code.
        address: of the database, as SQLAlchemy has it.
    """
    parts = urlsplit(address)
    place = f"{parts.hostname or 'localhost'}:{parts.port or 5432}"
    words = {"place": place, "user": parts.username or "", "name": parts.path.lstrip("/")}
    text = str(error).strip()
    for pattern, message, fix in _KNOWN:
        if re.search(pattern, text):
            return Problem(message.format(**words), fix.format(**words))
    return Problem(
        f"The database at {place} does not answer; waiting for it. {text.partition(chr(10))[0]}", lasting=False
    )
