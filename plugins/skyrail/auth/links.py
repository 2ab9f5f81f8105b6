"""One-time sign-in links: a folder with the hashes of tokens that were given out and may be used once.

Only the SHA-256 of a token is stored, so that reading the folder signs nobody in. Whoever may write there can.
Files are `<hash>` while a link is good and `<hash>.used` after; both hold the moment of expiry in Unix seconds.
Standard library only: the command line makes links without loading Airflow.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
import time
from enum import Enum
from pathlib import Path

from skyrail.errors import SkyrailError

log = logging.getLogger(__name__)

# How long a dead link can still be told from one that never existed.
REMEMBER_SECONDS = 24 * 3600

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 bytes in URL-safe base64
_FILE = re.compile(r"[0-9a-f]{64}(\.used)?")


class Redemption(Enum):
    """How an attempt to use a link ended. Only `ACCEPTED` signs in."""

    ACCEPTED = "accepted"
    USED = "used"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


def create_link_token(folder: Path, *, lifetime_seconds: float = 900) -> str:
    """Create the token of a sign-in link that works once, for 15 minutes unless said otherwise.

    Raises:
        SkyrailError: the folder cannot be written.
    """
    token = secrets.token_urlsafe(32)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # An existing folder may have been made by other means; a token hash must never be writable by others.
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
        _sweep(folder)
        _write(folder / _digest(token), str(int(time.time() + lifetime_seconds)))
    except OSError as error:
        raise SkyrailError(
            f"A sign-in link cannot be made: {folder} cannot be written ({error.strerror}).",
            fix="Run the command as the user that runs Skyrail, and check that the disk is not full.",
        ) from error
    return token


def redeem(folder: Path, token: str) -> Redemption:
    """Use a token up and say how that ended. Of any number of attempts at once, exactly one is accepted.

    Saying "used" or "expired" tells nothing to somebody who guesses: it takes the whole token to hear it.
    """
    if not _TOKEN.fullmatch(token):
        return Redemption.UNKNOWN
    good = folder / _digest(token)
    used = good.with_suffix(".used")
    try:
        if _expiry(good) <= time.time():
            return Redemption.EXPIRED
        # A rename has one winner, also between processes; the others no longer find the file.
        good.rename(used)
    except FileNotFoundError:
        return Redemption.USED if used.exists() else Redemption.UNKNOWN
    except OSError as error:
        log.warning("The sign-in link cannot be checked in %s: %s. Is it writable by this process?", folder, error)
        return Redemption.UNKNOWN
    return Redemption.ACCEPTED


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _expiry(file: Path) -> float:
    try:
        return float(int(file.read_bytes()))
    except ValueError:  # damaged: no longer a promise that anybody made
        return 0.0


def _write(file: Path, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        # Root may print a link for a platform that another user runs.
        if os.geteuid() == 0:
            owner = file.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        os.write(descriptor, text.encode())
    except OSError:
        file.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _sweep(folder: Path) -> None:
    for file in folder.iterdir():
        if not _FILE.fullmatch(file.name):
            continue
        try:
            if _expiry(file) + REMEMBER_SECONDS < time.time():
                file.unlink()
        except OSError as error:
            # Another process swept it first, or it is not ours; neither stops a new link.
            log.debug("%s stays: %s", file, error)
