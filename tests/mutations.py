"""Sound files made wrong at random, and what must hold of whoever reads them: they are read, or an error of plainnet's names
them, without a trace, soon, in little memory, and nothing that they name is run.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import random
import re
import resource
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from plainnet.cli.main import main
from plainnet.errors import PlainnetError
from plainnet.files.tensor_files import DIGEST, ZEROS

TRAP = Path(__file__).with_name("plainnet_trap.py")
TRAPS = ["tests.plainnet_trap:Trap", "tests.plainnet_trap.Trap", f"{TRAP}:Trap", str(TRAP)]
"""What names code that no data may lead to."""
ODD: list[Any] = [
    None, True, -1, 0, 1, 3.5, 2**31, 2**63, 10**30, -(10**30), 1e308, 5e-324, float("nan"), float("inf"), "", "x", "NaN",
    "1e999", "../../x", "/etc/passwd", "os:system", "$(touch x)", "\x1b[2J\n\x00", "\ud800", "a" * 5_000, [], {}, [[]], [None],
    [1], ["x"], {"": 1}, {"type": "os.system", "command": "true"}, {"__class__": 1}, [0] * 2_000,
    *TRAPS, *({"type": name} for name in TRAPS),
]  # fmt: skip
"""Values of other types, sizes and meanings than those that stand in a file."""
DEEP = 3_000
"""Levels of a value that is nested too deep for any reader."""
SECONDS = 20.0
"""Of the processor that reading one file may take; all that is tried takes far less."""
BYTES = 1 << 30
"""That the process may grow by while it reads one file."""


_ran: list[str] = []


def _heard(event: str, given: tuple[Any, ...]) -> None:
    """Python tells of everything that is imported, run as a file, or given to a shell."""
    if event not in ("import", "exec", "os.system"):
        return
    named = given[:1] if event == "import" else [getattr(given[0], "co_filename", "")]
    if event == "os.system" or any(TRAP.stem in str(name) for name in named):
        _ran.append(f"{event} {given[0]}")


sys.addaudithook(_heard)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of everything in a value, itself included."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def wrong_value(value: Any, draw: random.Random) -> Any:
    """JSON data with one to three things in it replaced, removed, added, repeated or renamed."""
    changed = copy.deepcopy(value)
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        path = draw.choice(list(places(changed)))
        if not path:
            changed = copy.deepcopy(draw.choice(ODD)) if draw.random() < 0.3 else changed
            continue
        parent = changed
        for key in path[:-1]:
            parent = parent[key]
        _change(parent, path[-1], draw)
    return changed


def _change(parent: Any, key: Any, draw: random.Random) -> None:
    kind = draw.choice(["replace", "replace", "replace", "remove", "add", "rename", "near", "wrap"])
    if kind == "remove":
        del parent[key]
    elif kind == "add" and isinstance(parent, list):
        parent.insert(key, copy.deepcopy(draw.choice([parent[key], *ODD])))
    elif kind in ("add", "rename") and isinstance(parent, dict):
        parent[draw.choice([f"{key}x", "x", "", "__class__", f"plainnet.{key}"])] = parent[key]
        if kind == "rename":
            del parent[key]
    elif kind == "near" and isinstance(parent[key], int | float) and not isinstance(parent[key], bool):
        parent[key] = draw.choice([-parent[key], parent[key] * 1_000_003, parent[key] + 0.5, str(parent[key])])
    elif kind == "near" and isinstance(parent[key], str):
        parent[key] = wrong_word(parent[key], draw)
    elif kind == "wrap":
        parent[key] = draw.choice([[parent[key]], {"x": parent[key]}])
    else:
        parent[key] = copy.deepcopy(draw.choice(ODD))


def wrong_word(text: str, draw: random.Random) -> str:
    """A text with a letter changed, cut off, or repeated."""
    place = draw.randrange(len(text) + 1)
    letter = draw.choice("0919(),.:{}[]\"'\\/\n\x00é-")
    return draw.choice([text[:place], text[:place] + letter + text[place + 1 :], text[:place] + text, text * 50])


def wrong_json(text: str, draw: random.Random) -> bytes:
    """A text of JSON, or of lines of it, that is wrong in its values or its bytes."""
    kind = draw.choice(["value"] * 5 + ["bytes", "deep", "lines"])
    lines = text.splitlines(keepends=True)
    is_whole = text.lstrip()[:1] in ("{", "[") and _is_json(text)
    if kind == "value" and is_whole:
        return _dumped(wrong_value(json.loads(text), draw))
    if kind == "value":
        number = draw.randrange(len(lines))
        lines[number] = _dumped(wrong_value(json.loads(lines[number]), draw)).decode() + "\n"
        return "".join(lines).encode()
    if kind == "deep":
        return draw.choice([b"[", b'{"a":']) * draw.choice([DEEP, 100_000])
    if kind == "lines":
        draw.shuffle(lines)
        return "".join(lines[draw.randrange(2) :]).encode()
    return wrong_bytes(text.encode(), draw)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


def wrong_bytes(data: bytes, draw: random.Random) -> bytes:
    """Bytes of which some are others, missing, or there twice."""
    changed = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 8])):
        place = draw.randrange(len(changed)) if changed else 0
        kind = draw.choice(["flip", "flip", "set", "cut", "twice"])
        if kind == "cut":
            del changed[place : place + draw.choice([1, 10, 10**9])]
        elif kind == "twice":
            changed[place:place] = changed[place : place + 20]
        elif changed:
            changed[place] = changed[place] ^ (1 << draw.randrange(8)) if kind == "flip" else draw.randrange(256)
    return bytes(changed)


def wrong_text(text: str, draw: random.Random) -> bytes:
    """A text of lines (a table, a configuration, rules) that is wrong in its words, its lines or its bytes."""
    kind = draw.choice(["word"] * 4 + ["lines", "bytes", "near"])
    if kind == "bytes":
        return wrong_bytes(text.encode(), draw)
    if kind == "lines":
        lines = text.splitlines(keepends=True)
        first = draw.randrange(len(lines))
        lines[first : first + draw.choice([1, 2])] = draw.choice([[], [lines[first]] * draw.choice([2, 50]), ["\n"]])
        return "".join(lines).encode()
    words = list(re.finditer(r"[\w.+-]+", text))
    place = draw.choice(words)
    odd = str(draw.choice(ODD)) if kind == "word" else wrong_word(place[0], draw)
    return (text[: place.start()] + odd + text[place.end() :]).encode("utf-8", "surrogatepass")


def header_of(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The header of a safetensors file as data, and what comes behind it."""
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def sealed(header: Any, behind: bytes) -> bytes:
    """A safetensors file of a header and what comes behind it, with a digest that is right: anybody can compute it."""
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    has_digest = isinstance(metadata, dict) and DIGEST in metadata
    if isinstance(metadata, dict) and has_digest:
        header = {**header, "__metadata__": {**metadata, DIGEST: ZEROS}}
    text = json.dumps(header, separators=(",", ":")).encode()
    data = struct.pack("<Q", len(text)) + text + behind
    return data.replace(ZEROS.encode(), hashlib.sha256(data).hexdigest().encode(), 1) if has_digest else data


def wrong_weights(data: bytes, draw: random.Random) -> bytes:
    """A safetensors file that is wrong: in a value of its metadata, in its header, or in its bytes."""
    header, behind = header_of(data)
    kind = draw.choice(["metadata"] * 5 + ["header", "header", "bytes", "behind"])
    if kind == "bytes":
        return wrong_bytes(data, draw)
    if kind == "behind":
        return sealed(header, wrong_bytes(behind, draw))
    if kind == "header":
        return sealed(wrong_value(header, draw), behind)
    about = header["__metadata__"]
    key = draw.choice(sorted(about))
    if draw.random() < 0.8 and _is_json(about[key]):
        text: Any = wrong_json(about[key], draw).decode("utf-8", "replace")
    else:
        text = draw.choice([wrong_word(about[key], draw), draw.choice(ODD), None])
    changed = {**about, key: text}
    return sealed({**header, "__metadata__": {k: v for k, v in changed.items() if v is not None}}, behind)


def fault_of(action: Callable[[], object], *names: str) -> str:
    """What is wrong with how something was read; "" where it was read, or an error of ours holds one of the names."""
    began, size = time.process_time(), _size()
    said = ""
    try:
        action()
    except PlainnetError as error:
        if not any(name in str(error) for name in names):
            said = f"the error does not say which file: {error}"
    except Exception:
        said = traceback.format_exc()
    if _ran:
        said += f"\na file that is data has run code: {', '.join(_ran)}"
        _ran.clear()
    took, grown = time.process_time() - began, _size() - size
    if took > SECONDS:
        said += f"\nit took {took:.0f} seconds"
    if grown > BYTES:
        said += f"\nit took {grown >> 20} MiB"
    return said


def _size() -> int:
    """The most bytes of memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def command(*words: object) -> Callable[[], str]:
    """Calls a command as a user does, in this process, for what it prints; `PlainnetError` with that where it fails."""

    def call() -> str:
        written = [io.BytesIO(), io.BytesIO()]
        streams = [io.TextIOWrapper(each, encoding="utf-8", write_through=True) for each in written]
        code: object = 0
        with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
            try:
                main([str(word) for word in words])
            except SystemExit as end:
                code = end.code
        said = [each.getvalue().decode() for each in written]
        assert code in (0, 1, 2, None), (code, said)
        if code:
            raise PlainnetError("".join(said))
        return said[0]

    return call


def faults(actions: Iterable[Callable[[], object]], *names: str) -> list[str]:
    """What is wrong with each of several ways of reading."""
    return [said for action in actions if (said := fault_of(action, *names))]
