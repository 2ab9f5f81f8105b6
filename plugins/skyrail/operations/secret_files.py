"""Make the secrets of an installation, a file each: `python -m skyrail.operations.secret_files FOLDER`.

What is there is never changed: run it as often as you like. Addresses that hold a password are made from the passwords.
"""

from __future__ import annotations

import base64
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

from skyrail.errors import SkyrailError


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def _random() -> str:
    return secrets.token_urlsafe(64)  # HS512 wants a key of 64 bytes at least


GENERATED: dict[str, Callable[[], str]] = {
    "fernet-key": _fernet_key,
    "jwt-secret": _random,
    "api-secret-key": _random,
    "airflow-password": _random,
    "mlflow-password": _random,
    "valkey-password": _random,
}

# Random text is safe in an address as it is. The drivers are named, since what a library takes by itself changes.
ADDRESSES = {
    "airflow-database": "postgresql+psycopg2://airflow:{airflow-password}@postgres:5432/airflow",
    "mlflow-database": "postgresql+psycopg2://mlflow:{mlflow-password}@postgres:5432/mlflow",
    "result-backend": "db+postgresql+psycopg2://airflow:{airflow-password}@postgres:5432/airflow",
    "broker": "redis://:{valkey-password}@valkey:6379/0",
}


def ensure(folder: Path) -> list[str]:
    """Write each secret that is missing, readable by its owner alone; return the names of those.

    Raises:
        SkyrailError: the folder cannot be written, or a file in it is empty.
    """
    made = []
    values: dict[str, str] = {}
    try:
        for name, generate in GENERATED.items():
            values[name] = _read(folder / name)
            if not values[name]:
                values[name] = generate()
                _write(folder / name, values[name])
                made.append(name)
        for name, address in ADDRESSES.items():
            if not _read(folder / name):
                for part, value in values.items():
                    address = address.replace(f"{{{part}}}", value)
                _write(folder / name, address)
                made.append(name)
    except OSError as error:
        raise SkyrailError(
            f"The secrets cannot be kept in {folder}: {error.strerror}.",
            fix=f"Give the folder to the user {os.geteuid()}, with the group {os.getegid()}.",
        ) from error
    return made


def _read(file: Path) -> str:
    try:
        text = file.read_text()
    except FileNotFoundError:
        return ""
    if not text.strip():
        raise SkyrailError(
            f"The secret {file} is empty.",
            fix="Restore it from a backup. Without it the data cannot be opened; remove the file only to start afresh.",
        )
    return text


def _write(file: Path, text: str) -> None:
    part = file.with_name(f".{file.name}")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as output:
        output.write(text)
        output.flush()
        os.fsync(descriptor)
    part.rename(file)


def main() -> int:
    """Make what is missing in the folder that the command line names; return the exit code."""
    if len(sys.argv) != 2:
        print("Say which folder: python -m skyrail.operations.secret_files FOLDER", file=sys.stderr)
        return 2
    try:
        made = ensure(Path(sys.argv[1]))
    except SkyrailError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Made {', '.join(made)}." if made else "All secrets are there; nothing was changed.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
