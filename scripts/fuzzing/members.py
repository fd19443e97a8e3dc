"""Archives as text that can be mutated: the members of a zip or tar file, packed with right checksums."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterable

MARK = b"\n=====\n"
RAW = b"!"  # before content that is no list of members but the archive itself


def listed(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Name and content of each member."""
    return MARK.join(name.encode() + b"\n" + content for name, content in members)


def as_zip(content: bytes) -> bytes:
    """The zip archive of a list of members, with right checksums; what follows RAW as it is."""
    if content.startswith(RAW):
        return content[1:]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, member in _parted(content):
            info = zipfile.ZipInfo(name[:200])
            archive.NameToInfo.pop(info.filename, None)  # the same name twice, without a warning
            archive.writestr(info, member, zipfile.ZIP_DEFLATED if len(member) % 2 else zipfile.ZIP_STORED)
    return packed.getvalue()


def as_tar(content: bytes) -> bytes:
    if content.startswith(RAW):
        return content[1:]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, member in _parted(content):
            entry = tarfile.TarInfo(name)
            entry.size = len(member)
            archive.addfile(entry, io.BytesIO(member))
    return packed.getvalue()


def _parted(content: bytes) -> list[tuple[str, bytes]]:
    parts = [part.partition(b"\n") for part in content.split(MARK)]
    return [(name.decode("utf-8", "replace"), member) for name, _, member in parts]
