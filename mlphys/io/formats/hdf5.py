"""HDF5: the datasets of a file by path, without external links and filters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from mlphys.io.formats.content import MOST_GROWTH, Described, Unreadable, plain

MOST_OBJECTS = 10_000
DEEPEST = 50
FILTERS = {1: "gzip", 2: "shuffle", 32000: "lzf"}
LONGEST_TEXT = 1000  # characters of a label


def describe(file: BinaryIO) -> dict[str, Described]:
    with _opened(file) as root:
        links: dict[str, str] = {}
        descriptions = {name: _described(dataset) for name, dataset in _datasets(root, links)}
        return {**descriptions, **{name: Described(refusal=why) for name, why in links.items()}}


def read(file: BinaryIO, names: list[str]) -> Iterator[np.ndarray]:
    with _opened(file) as root:
        datasets = dict(_datasets(root, {}))
        for name in names:
            if refusal := _refusal(datasets[name]):
                raise Unreadable(f"{name} {refusal}")
            yield _values(datasets[name])


def _opened(file: BinaryIO) -> Any:
    import h5py

    try:
        return h5py.File(file, "r")
    except OSError as error:
        raise Unreadable(f"not an HDF5 file, or a truncated one ({error}); copy it again") from None


def _datasets(root: Any, links: dict[str, str]) -> Iterator[tuple[str, Any]]:
    """Datasets by path, by hard links only: soft and external ones may lead anywhere, and are added to `links`."""
    import h5py

    seen = {h5py.h5o.get_info(root.id).addr}
    waiting = [("", root)]
    while waiting:
        path, group = waiting.pop(0)
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                outside = isinstance(link, h5py.ExternalLink)
                remedy = (
                    "into another file; copy what it leads to" if outside else "inside the file; name what it leads to"
                )
                links[f"{path}{name}"] = f"is a link {remedy}"
                continue
            member = group[name]
            address = h5py.h5o.get_info(member.id).addr
            if address in seen:  # a second name, or a cycle
                continue
            seen.add(address)
            if len(seen) > MOST_OBJECTS or path.count("/") > DEEPEST:
                raise Unreadable(f"has more than {MOST_OBJECTS} objects, or groups in {DEEPEST} groups; save fewer")
            if isinstance(member, h5py.Dataset):
                yield f"{path}{name}", member
            elif isinstance(member, h5py.Group):
                waiting.append((f"{path}{name}/", member))


def _described(dataset: Any) -> Described:
    refusal = _refusal(dataset)
    shape = tuple(dataset.shape or ())
    if refusal:
        return Described(shape, refusal=refusal)
    if _is_text(dataset):
        return Described(shape, "<U1")
    return Described(shape, dataset.dtype.newbyteorder("=").str)


def _refusal(dataset: Any) -> str:
    import h5py

    if dataset.shape is None:
        return "is empty"
    if dataset.is_virtual:
        return "is virtual: its numbers are in other files; copy them into this one"
    if dataset.external:
        return "has its numbers in another file; copy them into this one"
    properties = dataset.id.get_create_plist()
    for i in range(properties.get_nfilters()):
        number, _, _, name = properties.get_filter(i)
        if number not in FILTERS:
            named = name.decode("utf-8", "replace")[:40] or number
            return f"is packed with {named}; mlphys reads gzip, shuffle and lzf; `h5repack -f GZIP=4 IN OUT` repacks it"
    if h5py.check_string_dtype(dataset.dtype) is None and dataset.dtype.kind not in "buifS":
        return f"holds {str(dataset.dtype)[:60]}; expected real numbers or text"
    size, most = dataset.size * dataset.id.get_type().get_size(), MOST_GROWTH * dataset.file.id.get_filesize()
    if size > most:  # chunks that were never written have a shape and no bytes
        what = "text" if _is_text(dataset) else dataset.dtype
        return f"claims the shape {dataset.shape} of {what}, which is more than the file can hold"
    return ""


def _is_text(dataset: Any) -> bool:
    import h5py

    return h5py.check_string_dtype(dataset.dtype) is not None or dataset.dtype.kind == "S"


def _values(dataset: Any) -> np.ndarray:
    if dataset.dtype.kind == "S":
        return plain(dataset[()].astype(f"S{min(dataset.dtype.itemsize, LONGEST_TEXT)}"))
    if _is_text(dataset):
        texts = [str(text)[:LONGEST_TEXT] for text in np.ravel(dataset.asstr(errors="replace")[()])]
        return np.array(texts, dtype=str).reshape(dataset.shape)
    return plain(np.asarray(dataset[()]))
