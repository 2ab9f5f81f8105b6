"""A folder as one blob: a tar archive that says nothing but names, contents and what may be executed."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path
from typing import IO

from skyrail.errors import ArtifactError


def pack(folder: Path, file: IO[bytes]) -> None:
    """Write a folder into a file. Equal folders give equal bytes, whoever made them, when and where.

    Raises:
        ArtifactError: there is a link that leads out of the folder, or something that is no file, folder or link.
    """
    # As a stream: a large file is never whole in memory, and the target need not seek.
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
            name = path.relative_to(folder).as_posix()
            if path.is_symlink() and not _stays(path, folder, path.readlink()):
                raise ArtifactError(
                    f"The folder {folder} cannot be stored: the link {name} leads out of it.",
                    fix="Copy the file there instead of linking to it.",
                )
            if not (path.is_symlink() or path.is_file() or path.is_dir()):
                raise ArtifactError(
                    f"The folder {folder} cannot be stored: {name} is no file.",
                    fix="Remove sockets, pipes and devices.",
                )
            member = archive.gettarinfo(path, name)
            member.uid = member.gid = member.mtime = 0
            member.uname = member.gname = ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            if member.islnk():  # two names of one file: which comes first is an accident
                member.type, member.linkname, member.size = tarfile.REGTYPE, "", path.stat().st_size
            if member.isreg():
                with path.open("rb") as content:
                    archive.addfile(member, content)
            else:
                archive.addfile(member)


def unpack(file: IO[bytes], folder: Path) -> None:
    """Make a folder of what `pack` wrote. Nothing is written outside of it, whatever the archive says.

    Raises:
        tarfile.TarError: it is no such archive, or would write elsewhere.
    """
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=file, mode="r|") as archive:
        # Member by member: `extractall` can filter them since Python 3.11.4, and Debian 12 has 3.11.2.
        for member in archive:
            path = folder / member.name
            if not path.parent.resolve().is_relative_to(folder.resolve()) or path.name in ("", ".."):
                raise tarfile.TarError(f"{member.name!r} would be outside of the folder.")
            if member.isdir():
                path.mkdir()
            elif member.issym() and _stays(path, folder, Path(member.linkname)):
                path.symlink_to(member.linkname)
            elif member.isreg() and (content := archive.extractfile(member)) is not None:
                with path.open("xb") as copy:
                    shutil.copyfileobj(content, copy)
                path.chmod(0o755 if member.mode & 0o100 else 0o644)
            else:
                raise tarfile.TarError(f"{member.name!r} is no file or folder, or a link that leads out.")


def _stays(link: Path, folder: Path, target: Path) -> bool:
    return not target.is_absolute() and (link.parent / target).resolve().is_relative_to(folder.resolve())
