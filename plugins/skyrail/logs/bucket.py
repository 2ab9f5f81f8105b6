"""Logs of tasks in a bucket, for pods that cannot reach the volume of the others: those in the namespaces of teams.

Airflow finds it by `[logging] logging_config_class` (see `configuration`), and calls it in the supervisor when a task
has ended. `[logging] remote_base_log_folder` says where logs are kept, such as `s3://bucket/logs`: any address that
fsspec knows, with the library that it needs (s3fs, gcsfs, adlfs). A pod that is killed as a whole leaves no log here;
while it runs, and for as long as a failed pod is kept, the cluster has it.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


class BucketLogs:
    """One file for each try of a task, below an address that fsspec knows."""

    processors = ()
    """Airflow asks for it; lines go to a file first, and are sent when it is complete."""

    def __init__(self, address: str, local: Path) -> None:
        self.address, self.local = address.rstrip("/"), local

    @classmethod
    def from_config(cls) -> BucketLogs:
        """Return the one that Airflow's configuration names."""
        from airflow.configuration import conf

        return cls(conf.get("logging", "remote_base_log_folder"), Path(conf.get("logging", "base_log_folder")))

    def upload(self, path: Any, ti: Any = None) -> None:  # noqa: ARG002 (Airflow passes it)
        """Send a log. A store that does not answer fails no task: a line in the log of its worker says so."""
        import fsspec

        file = Path(path) if Path(path).is_absolute() else self.local / path
        target = f"{self.address}/{file.relative_to(self.local).as_posix()}"
        try:
            system, name = fsspec.url_to_fs(target)
            if target.startswith("file:"):  # elsewhere there are no folders, and s3fs would make a missing bucket
                system.makedirs(name.rpartition("/")[0], exist_ok=True)
            if not system.exists(name):
                system.put_file(str(file), name)
                return
            # A task that was deferred goes on in a second pod, whose file has the second half alone.
            before, text = system.cat_file(name), file.read_bytes()
            system.pipe_file(name, text if text.startswith(before) else before + text)
        except Exception:
            log.exception("The log of this task cannot be kept at %s", target)

    def read(self, relative_path: str, ti: Any) -> tuple[list[str], list[str] | None]:  # noqa: ARG002 (likewise)
        """Return where a log is, and its text, with what the triggerer wrote to it; nothing while the task runs."""
        import fsspec

        target = f"{self.address}/{relative_path}"
        try:
            system, name = fsspec.url_to_fs(target)
            system.invalidate_cache()
            found = sorted(one for one in system.find(name.rpartition("/")[0], maxdepth=1) if one.startswith(name))
            texts = [system.cat_file(one).decode(errors="replace") for one in found]
        except FileNotFoundError:
            return [], None
        except Exception as error:
            return [f"{target} cannot be read: {type(error).__name__}: {error}"], None
        return [target] * bool(texts), texts or None
