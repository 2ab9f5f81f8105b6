"""Blobs encrypted at rest, a chunk at a time: each is its length in four bytes, then a Fernet token.

What is inside is not trusted for being encrypted: whoever reads a blob checks the SHA-256 of its plain content, so
chunks that are missing, swapped or another blob's are noticed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, Any

from skyrail.errors import ArtifactError

SUFFIX = ".sealed"
"""End of an encrypted blob's name: beside it the same content may lie plain, from before there was a key."""

CHUNK = 1 << 20
MAX_TOKEN = 2 * CHUNK
"""Longest token of a chunk, in bytes; Fernet adds a third and a few."""


def seal(file: IO[bytes], conn_id: str) -> Iterator[bytes]:
    """Yield the encrypted content of a file.

    Raises:
        ArtifactError: the connection has no key.
    """
    fernet = _fernet(conn_id)
    while chunk := file.read(CHUNK):
        token = fernet.encrypt(chunk)
        yield struct.pack(">I", len(token)) + token


def unseal(blob: IO[bytes], conn_id: str) -> Iterator[bytes]:
    """Yield the plain content of an encrypted blob.

    Raises:
        ArtifactError: there is no key, none that fits, or the blob was changed.
    """
    if not conn_id:
        raise ArtifactError(
            "It is encrypted, and no key is configured.",
            fix="Set [skyrail_tracking] store_key_conn_id to the connection with its key.",
        )
    from cryptography.fernet import InvalidToken

    fernet = _fernet(conn_id)
    while head := blob.read(4):
        [length] = struct.unpack(">I", head.ljust(4, b"\0"))
        try:
            yield fernet.decrypt(blob.read(min(length, MAX_TOKEN)))
        except InvalidToken:
            raise ArtifactError(
                f"It was changed, or is encrypted with a key that the connection {conn_id!r} does not have.",
                fix="Add the key that it was written with to the end of the connection's password, behind a comma.",
            ) from None


def _fernet(conn_id: str) -> Any:
    from airflow.sdk import Connection
    from cryptography.fernet import Fernet, MultiFernet

    try:
        password = Connection.get(conn_id).password or ""
    except Exception as error:
        raise ArtifactError(
            f"The connection {conn_id!r} with the artifact store's key cannot be read: {error}",
            fix="Make it, or correct [skyrail_tracking] store_key_conn_id.",
        ) from error
    try:
        keys = [Fernet(key.strip()) for key in password.split(",") if key.strip()]
        return MultiFernet(keys)
    except ValueError:
        raise ArtifactError(
            f"The password of the connection {conn_id!r} is no key of the artifact store.",
            fix="Make one by cryptography.fernet.Fernet.generate_key(); several are separated by commas.",
        ) from None
