"""Tensors in safetensors files: equal contents are equal bytes, and a damaged file is noticed when it is read.

safetensors orders the metadata of its header at random; here they stand in the order of their keys. One of them,
`plainnet.sha256`, is the SHA-256 of the file, computed with zeros in that place, so that a file carries its digest wherever it
is copied, and neither can be replaced without the other.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from plainnet.errors import RunError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["DIGEST", "other_kinds", "read_metadata", "read_tensors", "write_tensors"]

DIGEST = "plainnet.sha256"
"""The key of the digest among the metadata."""
ZEROS = "0" * 64
IN_HEADER = re.compile(rb'[{,]"plainnet\.sha256":"([0-9a-f]{64})"')
LONGEST_HEADER = 100_000_000
"""What the format allows."""
PIECE = 1 << 20


def write_tensors(path: Path, tensors: Mapping[str, Tensor], *, metadata: Mapping[str, str] | None = None) -> str:
    """Write tensors (anywhere, also sharing memory) as a safetensors file and return its digest, the `DIGEST` inside it.

    Equal tensors and metadata give equal files. Raises `OSError` where the file cannot be written; what is there then is no
    whole file, so write beside and rename where that matters.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    about = {"format": "pt", **(metadata or {})}
    assert DIGEST not in about
    try:
        save_file(_separate(tensors), path, metadata={**about, DIGEST: ZEROS})
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        code = int(number.group(1)) if number else 5
        raise OSError(code, os.strerror(code), str(path)) from error
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)  # as any new file; safetensors' are for their owner alone
    with path.open("r+b") as file:
        header = _canonical(file)
        found = IN_HEADER.search(header)
        assert found is not None
        file.seek(8)
        file.write(header)
        file.flush()
        digest = _digest(file, header, found.span(1))
        file.seek(8 + found.start(1))
        file.write(digest.encode())
    return digest


def read_tensors(path: Path, *, ours: bool = False) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a safetensors file; runs no code of the file's.

    A file with a digest must be the file that was written. ours: it must have one; otherwise a file of another program, which
    has none, is read as it is. Raises `RunError` with the reason.
    """
    from safetensors import SafetensorError, safe_open

    try:
        _check(path, ours=ours)
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            about = {key: value for key, value in (file.metadata() or {}).items() if key != DIGEST}
            return {name: file.get_tensor(name) for name in names}, about
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}") from error
    except (SafetensorError, ValueError, TypeError, AttributeError) as error:
        raise RunError(f"{path} is not a readable safetensors file: {error}") from error


def other_kinds(found: Mapping[str, Tensor], meant: Mapping[str, Tensor]) -> list[str]:
    """Tensors that torch would load as other numbers, in words: integers where floats are meant (quantized weights lie in a file
    like that, and their scale elsewhere), complex numbers (of which the imaginary part is dropped), fractions where integers are.
    """

    def fits(tensor: Tensor, own: Tensor) -> bool:
        if own.is_floating_point() or own.is_complex() or tensor.is_complex():
            return (own.is_floating_point(), own.is_complex()) == (tensor.is_floating_point(), tensor.is_complex())
        return not tensor.is_floating_point() or bool((tensor.double() % 1 == 0).all())

    return [
        f"{name} {found[name].dtype} where {own.dtype} is meant"
        for name, own in meant.items()
        if name in found and not fits(found[name], own)
    ]


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file, without its tensors and without torch; contents are not compared with the digest.

    Raises `RunError` with the reason.
    """
    try:
        with path.open("rb") as file:
            content = json.loads(_header(file))
        metadata = content.get("__metadata__") or {}
        if not all(isinstance(value, str) for value in metadata.values()):
            raise ValueError("its metadata are no texts")
        return {key: value for key, value in metadata.items() if key != DIGEST}
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(f"{path} is not a readable safetensors file: {error}") from error


def _check(path: Path, *, ours: bool) -> None:
    """Compare the file with its digest."""
    with path.open("rb") as file:
        header = _header(file)
        try:
            metadata = json.loads(header).get("__metadata__") or {}
        except RecursionError:
            raise ValueError("its header is nested too deeply") from None
        # a single flipped bit in the key must not turn the file into one without a digest
        marked = any(key.startswith("plainnet") or key.endswith("sha256") for key in metadata)
        found = IN_HEADER.search(header)
        if found is None:
            if ours or marked:
                raise RunError(f"{path} is damaged: it carries no digest of its contents, as plainnet's files do")
            return
        if metadata.get(DIGEST) != found.group(1).decode() or len(IN_HEADER.findall(header)) > 1:
            raise RunError(f"{path} is damaged: its header is not as it was written")
        if _digest(file, header, found.span(1)) != found.group(1).decode():
            raise RunError(f"{path} is damaged: its contents are not what was written (SHA-256 differs)")


def _header(file: BinaryIO) -> bytes:
    """The JSON text of the header, padding included."""
    start = file.read(8)
    if len(start) < 8:
        raise ValueError("it is shorter than a header")
    (length,) = struct.unpack("<Q", start)
    if length > LONGEST_HEADER:
        raise ValueError(f"its header would have {length} bytes")
    header = file.read(length)
    if len(header) < length:
        raise ValueError("it ends within its header")
    return header


def _canonical(file: BinaryIO) -> bytes:
    """The header with its metadata in the order of their keys: as long as before, since the same texts are in it."""
    header = _header(file)
    content: dict[str, Any] = json.loads(header)
    content["__metadata__"] = dict(sorted(content["__metadata__"].items()))
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    assert len(text) <= len(header)
    return text.ljust(len(header))


def _digest(file: BinaryIO, header: bytes, place: tuple[int, int]) -> str:
    """SHA-256 of the whole file with zeros at `place` of the header."""
    digest = hashlib.sha256(struct.pack("<Q", len(header)))
    digest.update(header[: place[0]] + ZEROS.encode() + header[place[1] :])
    file.seek(8 + len(header))
    while piece := file.read(PIECE):
        digest.update(piece)
    return digest.hexdigest()


def _separate(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous tensors on the CPU that share no memory, as safetensors wants them."""
    import torch

    seen: set[int] = set()
    result = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        storage = tensor.untyped_storage().data_ptr()
        if storage in seen or tensor.untyped_storage().nbytes() != tensor.nbytes:
            tensor = tensor.clone(memory_format=torch.contiguous_format)
        seen.add(storage)
        result[name] = tensor
    return result
