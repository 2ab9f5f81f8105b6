"""What the disk of temporary files refuses, as a sentence."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator

from skyrail.errors import ArtifactError


@contextlib.contextmanager
def room(what: str) -> Iterator[None]:
    """Make a sentence of an OSError while `what` is written there.

    Raises:
        ArtifactError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise ArtifactError(
            f"{what} cannot be written to a file in the temporary folder {tempfile.gettempdir()}: {error}",
            fix="Make room there, or set TMPDIR to a folder on a larger disk.",
        ) from error
