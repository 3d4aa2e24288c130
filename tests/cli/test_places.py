"""Files, folders, pipes and names that are not what a command needs: one sentence, the right exit code, no traceback."""

from __future__ import annotations

import errno
import io
import os
import sys
import threading
from pathlib import Path

import pytest

import plainnet.files.text_files
from plainnet.cli.main import main

SMALL = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8,1)"
READERS = {
    "analyze": ["analyze", "{}", "--no-latency", "--no-zen"],
    "score": ["score", "{}", "--proxy", "params"],
    "fmt": ["fmt", "{}"],
    "lint": ["lint", "{}"],
    "convert": ["convert", "{}"],
    "validate": ["validate", "macs", "--table", "{}"],
}
"""How each command is given a file."""


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAINNET_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(plainnet.files.text_files, "WAIT_FOR_WRITER", 0.05)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


def make(kind: str, folder: Path) -> str:
    path = folder / "place"
    if kind == "a folder":
        path.mkdir()
    elif kind == "a pipe without a writer":
        os.mkfifo(path)
    elif kind == "bytes that are no text":
        path.write_bytes(b"\xff\xfe\x00\x81")
    elif kind == "too much of it":
        with path.open("wb") as file:
            file.truncate(plainnet.files.text_files.MAX_BYTES + 1)
    elif kind == "an empty file":
        path.touch()
    elif kind == "a name of 300 bytes":
        return "x" * 300
    elif kind == "a path of 5,000 bytes":
        return "y/" * 2500
    elif kind == "a name that is no text":
        return os.fsdecode(b"caf\xe9.txt")
    elif kind == "a null character":
        return "a\0b"
    elif kind == "no such file":
        return str(folder / "nowhere.txt")
    elif kind == "a file in a file":
        path.touch()
        return str(path / "inside.txt")
    return str(path)


KINDS = {
    "a folder": "is a directory",
    "a pipe without a writer": "is a pipe that nobody writes to",
    "bytes that are no text": "is no UTF-8 text",
    "too much of it": "holds more than 64 MiB",
    "an empty file": "empty",
    "a name of 300 bytes": "",
    "a path of 5,000 bytes": "",
    "a name that is no text": "",
    "a null character": "",
    "no such file": "",
    "a file in a file": "",
}


@pytest.mark.parametrize("command", READERS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_said(command: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = make(kind, tmp_path)
    code, out, err = run(capsys, *(argument.replace("{}", place) for argument in READERS[command]))
    assert (code, out) == (2, ""), err
    assert KINDS[kind] in err
    assert err.startswith(("UsageError: ", "StructureError: ", "UnknownNetworkError: "))
    assert err.count("\n") <= 3
    assert len(err) < 700 or kind == "a path of 5,000 bytes"


@pytest.mark.parametrize("command", READERS)
def test_what_may_not_be_read_is_said(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.txt"
    path.write_text(SMALL)
    path.chmod(0)
    opened = Path.open

    def refuse(self: Path, *arguments: object, **options: object) -> object:  # root may read everything
        if self == path:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(self, *arguments, **options)  # type: ignore[arg-type, call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    code, out, err = run(capsys, *(argument.replace("{}", str(path)) for argument in READERS[command]))
    assert (code, out) == (2, "")
    assert err == f"UsageError: {path} cannot be read: Permission denied\n"


@pytest.mark.parametrize("command", ["analyze", "score", "fmt", "convert"])
def test_a_pipe_with_a_slow_writer_and_a_name_that_is_no_text(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    os.mkfifo(path)

    def write() -> None:
        with open(path, "w") as pipe:
            pipe.flush()
            threading.Event().wait(0.2)
            pipe.write(SMALL)

    writer = threading.Thread(target=write)
    writer.start()
    code, out, err = run(capsys, *(argument.replace("{}", path) for argument in READERS[command]))
    writer.join()
    assert (code, [line for line in err.splitlines() if not line.startswith("network ")]) == (0, [])
    assert out


WRITERS = {
    **{name: [argument.replace("{}", SMALL) for argument in READERS[name]] for name in ("analyze", "score", "fmt")},
    "lint": ["lint", SMALL, "--json"],
    "convert": ["convert", f"['{SMALL}']"],
    "blocks": ["blocks"],
    "list": ["list"],
    "validate": ["validate", "macs", "--sample", "10", "--resamples", "0"],
    "help": ["--help"],
}


class Full(io.BytesIO):
    """A disk with no room."""

    def write(self, data: object) -> int:  # noqa: ARG002
        raise OSError(28, "No space left on device")


def output(kind: str) -> io.TextIOWrapper | None:
    if kind == "closed":
        return None
    return io.TextIOWrapper(Full(), encoding="utf-8") if kind == "full" else io.TextIOWrapper(io.BytesIO(), "ascii")


@pytest.mark.parametrize("command", WRITERS)
@pytest.mark.parametrize("kind", ["closed", "full", "ascii"])
def test_standard_output(
    command: str, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", output(kind))
    with pytest.raises(SystemExit) as caught:
        main(WRITERS[command])
    monkeypatch.undo()
    err = capsys.readouterr().err
    assert "Traceback" not in err
    if kind == "ascii":
        assert caught.value.code == 0, err
    else:
        reason = "standard output is closed" if kind == "closed" else "No space left on device"
        assert (caught.value.code, reason in err) == (1, True), err


DAMAGED = {
    "not JSON": "{",
    "deep": '{"a":' * 100_000,
    "another file": "[]",
    "no tables": '{"plainnet_trust": 1}',
    "a list of tables": '{"plainnet_trust": 1, "tables": []}',
    "a number for a table": '{"plainnet_trust": 1, "tables": {"t": 3}}',
    "a text for a record": '{"plainnet_trust": 1, "tables": {"t": {"zen": "good"}}}',
    "no networks": '{"plainnet_trust": 1, "tables": {"t": {"zen": {"agreement": {}}}}}',
    "networks of a wrong type": '{"plainnet_trust": 1, "tables": {"t": {"zen": {"networks": true, "agreement": {}}}}}',
    "no figures": '{"plainnet_trust": 1, "tables": {"t": {"zen": {"networks": 3, "agreement": {}}}}}',
    "figures of a wrong type": '{"plainnet_trust": 1, "tables": {"t": {"z": {"networks": 3, "agreement": {"spearman": ["x"]}}}}}',
    "a number that JSON lacks": '{"plainnet_trust": 1, "tables": {"t": {"zen": {"networks": NaN}}}}',
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_of_validations_is_named(kind: str, tmp_path: Path) -> None:
    from plainnet.errors import UsageError
    from plainnet.validation.trust import trust_sentences

    path = tmp_path / "home" / "trust.json"
    path.parent.mkdir()
    path.write_text(DAMAGED[kind])
    with pytest.raises(UsageError) as caught:
        trust_sentences("zen")
    message = str(caught.value)
    assert message.startswith(str(path))
    assert len(message) < len(str(path)) + 200


SCORES = {
    "{": "is no file of scores",
    "[]": "is no file of scores",
    '{"plainnet_scores": 1}': "holds scores of 'None' for other networks",
    "HEADER\n3\n": "is damaged: line 2: '3'",
    'HEADER\n{"structure": 3, "score": 1}\n': "is damaged: line 2: structure is '3'",
    'HEADER\n{"structure": "a", "score": "one"}\n': "is damaged: line 2: score is 'one'",
    'HEADER\n{"structure": "a", "score": true}\n': "is damaged: line 2: score is 'True'",
    'HEADER\n{"structure": "a", "score": null}\n': "is damaged: line 2: score is 'None'",
    'HEADER\n{"structure": "a", "score": NaN}\n': "is damaged: line 2: no JSON: NaN",
    'HEADER\n{"structure": "a", "score": 1}\n{"structure": "b"\n': "is damaged: line 3: no JSON",
    "HEADER\n" + "[" * 100_000 + "\n": "is damaged: line 2: the JSON is nested too deep",
}


@pytest.mark.parametrize("text", SCORES, ids=lambda text: text[:40])
def test_a_damaged_file_of_scores_names_the_line_and_the_field(text: str, tmp_path: Path) -> None:
    from plainnet import parse
    from plainnet.errors import UsageError
    from plainnet.proxies.score_table import score_networks

    path = tmp_path / "scores.jsonl"
    score_networks([parse(SMALL)], lambda _: 1.0, label="a", resume=path)
    header = path.read_text().splitlines()[0]
    path.write_text(text.replace("HEADER", header))
    with pytest.raises(UsageError) as caught:
        score_networks([parse(SMALL)], lambda _: 1.0, label="a", resume=path)
    assert f"{path} {SCORES[text]}" in str(caught.value)


TABLES = {
    'structure,accuracy\n"S",1_0\n': "accuracy '1_0' is no number",
    'structure,accuracy\n"S",９０\n': "is no number",
    'structure,accuracy\n"S",1e999\n': "accuracy '1e999' is no number",
    'structure,accuracy\n"S",infinity\n': "accuracy 'infinity' is no number",
    'structure,accuracy\n"S",-2e160\n': "accuracy '-2e160' is no number within 1e+100",
    'structure,structure,accuracy\n"S","S",3\n': "the column 'structure' more than once",
    '{"structure": 3}\n': "the header has no column 'structure'",
    ",".join(f"column{n}" for n in range(5000)) + "\n": "'column5', ...",
    "structure,accuracy\n" + '"' + "x" * 200_000 + '",3\n': "no CSV: field larger than field limit",
    "structure,accuracy\n" + "(" * 100_000 + ",3\n": "unexpected '('",
}


@pytest.mark.parametrize("text", TABLES, ids=lambda text: text[:40])
def test_a_table_is_typed_when_it_is_read(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text.replace("S", SMALL))
    code, _, err = run(capsys, "validate", "macs", "--table", str(path))
    assert code == 2
    assert err.startswith(f"UsageError: {path}:")
    assert TABLES[text] in err
    assert len(err) < 2000


def test_a_table_has_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from plainnet.validation import accuracy_table

    monkeypatch.setattr(accuracy_table, "MAX_NETWORKS", 3)
    path = tmp_path / "mine.csv"
    path.write_text("structure,accuracy\n" + f'"{SMALL}",90\n' * 4)
    code, _, err = run(capsys, "validate", "macs", "--table", str(path))
    assert (code, "more networks than 3, which is the most that a table may hold" in err) == (2, True)


@pytest.mark.parametrize("account", ["none", "another's home"])
def test_no_home_is_needed(
    account: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a container that was told a user by number there is no home, or that of root, which may not be entered."""
    monkeypatch.delenv("PLAINNET_HOME")
    if account == "none":
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    else:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setattr(os, "access", lambda *_: False)

        def closed(self: Path) -> bool:
            raise PermissionError(13, "Permission denied", str(self))

        monkeypatch.setattr(Path, "exists", closed)
    code, out, err = run(capsys, "score", SMALL, "--proxy", "composite")
    assert (code, len(err.splitlines())) == (0, 1)  # which network was taken
    assert "trained networks" in out or "NAS-Bench-Macro" in out


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOENT, 2),
        (errno.EISDIR, 2),
        (errno.ENAMETOOLONG, 2),
        (errno.EACCES, 1),
        (errno.EROFS, 1),
        (errno.ENOSPC, 1),
    ],
)
def test_a_wrong_name_is_misuse_and_a_refusal_is_none(
    number: int, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened, place = Path.open, tmp_path / "new.yaml"

    def refuse(self: Path, *rest: object, **options: object) -> object:
        if self.parent == tmp_path:
            raise OSError(number, os.strerror(number))
        return opened(self, *rest, **options)  # type: ignore[arg-type, call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    assert run(capsys, "config", "new", str(place))[::2] == (
        code,
        f"{'RunError' if code == 1 else 'UsageError'}: {place} cannot be written: {os.strerror(number)}\n",
    )


def test_a_lack_of_memory_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError("Unable to allocate 32.0 GiB")

    monkeypatch.setattr("plainnet.proxies.closed.zen.zen_score", fail)
    asked = ("optimum", "zennas-resnet", "--max-params", "2e5", "--max-layers", "8", "--out", str(tmp_path / "run"))
    assert run(capsys, *asked)[::2] == (1, "RunError: not enough memory: Unable to allocate 32.0 GiB\n")


def test_a_name_from_elsewhere_does_nothing_to_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Escape sequences of names, in errors; lines of an error stay lines."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, "predict", "a\x1b]0;b\x07\r\u202e", "x.png")
    assert code == 2
    assert r"a\x1b]0;b\x07\r\u202e" in err
    assert all(letter.isprintable() or letter == "\n" for letter in err)


def test_what_a_file_calls_its_classes_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from types import SimpleNamespace

    answer = SimpleNamespace(path="x.png", classes=["a\x1b[31m", "b\nx.png: c"], probabilities=[0.75, 0.25], outputs={})
    predictor = SimpleNamespace(input_size="8x8 pixels", each=lambda *_, **__: [answer])
    monkeypatch.setattr("plainnet.engine.run.predict.Predictor", lambda *_, **__: predictor)
    monkeypatch.setattr("plainnet.cli.predict.trained_weights", lambda *_, **__: "run/best.safetensors")
    assert run(capsys, "predict", "run", "x.png")[1] == "x.png: a\\x1b[31m 75.0 %, b\\nx.png: c 25.0 %\n"


@pytest.mark.parametrize(
    "command",
    [
        ["analyze", "killed"],
        ["train", "killed"],
        ["evaluate", "killed"],
        ["predict", "killed", "0.png"],
        ["report", "killed"],
        ["runs", "show", "killed"],
        ["search", "--resume", "killed"],
        ["store", "add", "killed"],
    ],
    ids=" ".join,
)
def test_a_folder_that_holds_only_a_lock_is_what_a_killed_run_left(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lock = tmp_path / "killed" / "lock"
    lock.parent.mkdir()
    lock.write_text("process 1 on a machine")
    said = "the lock of a run that kept nothing there: if that run has ended, the folder may be deleted"
    code, _, err = run(capsys, *command)
    assert code in (1, 2)
    assert said in " ".join(err.split())
    (lock.parent / "mine.txt").touch()
    assert "may be deleted" not in run(capsys, *command)[2]
