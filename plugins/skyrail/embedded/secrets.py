"""Keys and passwords of the embedded platform: generated once, never shown, never on a command line."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import secrets
from dataclasses import dataclass, field

from skyrail.embedded.files import write_json
from skyrail.embedded.home import Home
from skyrail.errors import EmbeddedError


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def _random() -> str:
    return secrets.token_urlsafe(64)  # HS512 wants a key of 64 bytes at least


@dataclass(frozen=True)
class Secrets:
    """Everything secret that the processes share."""

    fernet_key: str = field(default_factory=_fernet_key, repr=False)
    jwt_secret: str = field(default_factory=_random, repr=False)
    api_secret_key: str = field(default_factory=_random, repr=False)
    database_password: str = field(default_factory=_random, repr=False)


def read(home: Home) -> Secrets | None:
    """Return the secrets of a home, or None when it has none yet.

    Raises:
        EmbeddedError: the file is there and cannot be used.
    """
    try:
        values = json.loads(home.secrets.read_text())
        return Secrets(**{name.name: _text(values[name.name]) for name in dataclasses.fields(Secrets)})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise EmbeddedError(
            f"{home.secrets} is damaged: it is not the JSON document that Skyrail wrote.",
            fix="Restore it from a backup. Without it the database cannot be opened; to start again with an empty "
            f"one and keep the old data aside:\n  mv {home.path} {home.path}.broken",
        ) from None


def ensure(home: Home) -> Secrets:
    """Return the secrets of a home, generated now if it has none."""
    existing = read(home)
    if existing:
        home.secrets.chmod(0o600)
        return existing
    fresh = Secrets()
    write_json(home.secrets, dataclasses.asdict(fresh))
    return fresh


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value
