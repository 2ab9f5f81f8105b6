"""A file or folder that a step returns is kept by its content, and comes back as a local copy."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from skyrail.errors import ArtifactError
from skyrail.steps.artifacts.folders import pack, unpack
from skyrail.steps.artifacts.store import Reference, Store
from skyrail.steps.values import pack as pack_value


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def put(store: Store, path: Path) -> Reference:
    return store.put(path, made_by="dag/run/task/-1/1", attempt="id")


def make(folder: Path) -> Path:
    (folder / "b" / "c").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "b" / "run.sh").write_text("#!/bin/sh\n")
    (folder / "b" / "run.sh").chmod(0o755)
    (folder / "latest").symlink_to("b/run.sh")
    return folder


def packed(folder: Path) -> bytes:
    file = io.BytesIO()
    pack(folder, file)
    return file.getvalue()


def test_a_file_comes_back_with_its_name(store: Store, tmp_path: Path):
    """So that a reader that goes by the suffix can read it."""
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(b"rows")
    reference = Reference.from_xcom(pack_value(path, lambda value: put(store, value), inline_bytes=1000))
    assert reference is not None
    assert (reference.format, reference.bytes) == ("file", 4)
    copy = store.get(reference)
    assert (copy.name, copy.read_bytes()) == ("rows.csv.gz", b"rows")
    assert copy != store.get(reference)


def test_a_folder_comes_back_whole(store: Store, tmp_path: Path):
    """With empty folders, links inside of it, and what may be executed."""
    reference = put(store, make(tmp_path / "model"))
    assert reference.format == "folder"
    copy = store.get(reference)
    assert copy.name == "model"
    assert (copy / "a.txt").read_text() == "a"
    assert (copy / "b" / "c").is_dir()
    assert (copy / "latest").readlink() == Path("b/run.sh")
    assert os.access(copy / "b" / "run.sh", os.X_OK)


def test_equal_folders_are_equal_bytes(tmp_path: Path):
    """Whenever and wherever they were made, with whatever rights."""
    one, other = make(tmp_path / "one"), make(tmp_path / "other")
    os.utime(other / "a.txt", (1, 1))
    (other / "a.txt").chmod(0o600)
    os.link(one / "a.txt", tmp_path / "second name")
    assert packed(one) == packed(other)
    (other / "a.txt").write_text("b")
    assert packed(one) != packed(other)


def test_two_names_of_one_file_are_two_files(tmp_path: Path):
    """Which of them would be the link is an accident of the file system."""
    one, other = make(tmp_path / "one"), make(tmp_path / "other")
    os.link(one / "a.txt", one / "z.txt")
    (other / "z.txt").write_text("a")
    assert packed(one) == packed(other)


@pytest.mark.parametrize("target", ["/etc/passwd", "../secret"])
def test_a_link_out_of_a_folder_is_refused(tmp_path: Path, target: str):
    """It would lead to something else where the folder is read."""
    folder = make(tmp_path / "model")
    (folder / "link").symlink_to(target)
    with pytest.raises(ArtifactError, match="the link link leads out of it"):
        packed(folder)


def test_a_pipe_in_a_folder_is_refused(tmp_path: Path):
    """Reading it would stand still."""
    os.mkfifo(make(tmp_path / "model") / "pipe")
    with pytest.raises(ArtifactError, match="pipe is no file"):
        packed(tmp_path / "model")


def _member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([_member("../out")], id="00 a name that leads out"),
        pytest.param([_member("/tmp/skyrail-out")], id="01 a name from the root"),
        pytest.param([_member("a/.."), _member("..")], id="02 no name at all"),
        pytest.param([_member("a", tarfile.SYMTYPE, "../out")], id="10 a link that leads out"),
        pytest.param([_member("a", tarfile.SYMTYPE, "/etc/passwd")], id="11 a link from the root"),
        pytest.param([_member("a", tarfile.SYMTYPE, "."), _member("a/../../out")], id="12 out by way of a link"),
        pytest.param([_member("a"), _member("a")], id="20 a file twice"),
        pytest.param([_member("a", tarfile.LNKTYPE, "/etc/passwd")], id="30 a second name of a file"),
        pytest.param([_member("a", tarfile.FIFOTYPE)], id="31 a pipe"),
        pytest.param([_member("a", tarfile.CHRTYPE)], id="32 a device"),
    ],
)
def test_an_archive_writes_nothing_outside(tmp_path: Path, members: list[tarfile.TarInfo]):
    """Even one that somebody else made."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for member in members:
            archive.addfile(member)
    file.seek(0)
    with pytest.raises((tarfile.TarError, OSError)):
        unpack(file, tmp_path / "in" / "folder")
    assert [path.name for path in tmp_path.rglob("*") if "in" not in path.relative_to(tmp_path).parts] == []
    assert not Path("/tmp/skyrail-out").exists()
    assert not (tmp_path / "in" / "out").exists()


def test_copies_are_gone_with_their_process(store: Store, tmp_path: Path):
    """Also those in folders that cannot be written."""
    program = """
import sys, os
from skyrail.steps.artifacts.formats import File, Folder
import pathlib
for form in (File(), Folder()):
    blob = pathlib.Path(sys.argv[1] + form.name)
    path = form.read_as(blob.open("rb"), "x")
    if path.is_dir():
        path.chmod(0o500)
    print(path)
"""
    (tmp_path / "blob-file").write_bytes(b"x")
    (tmp_path / "blob-folder").write_bytes(packed(make(tmp_path / "model")))
    command = [sys.executable, "-W", "ignore", "-c", program, str(tmp_path / "blob-")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [Path(line).name for line in done.stdout.split()] == ["x", "x"]
    assert not any(Path(line).exists() for line in done.stdout.split())
