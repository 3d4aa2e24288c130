"""The dashboard: it lists what is there, live, shows every page, changes nothing, and answers nobody but its own."""

from __future__ import annotations

import asyncio
import html
import json
import os
import re
import shutil
import sqlite3
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

from plainnet.cli.sweep_exact import sweep_exactly
from plainnet.dashboard.app import application, serve
from plainnet.dashboard.kept import Kept
from plainnet.engine.run.run_curves import curves_of
from plainnet.engine.tuning.tuning_folder import Asked, write_asked, write_line
from plainnet.errors import UsageError
from plainnet.pages.shell import content_policy
from plainnet.proxies.calibrated.features import network_features
from plainnet.search import load_space, optimum, search
from plainnet.templates.nas_bench_macro import network_of_code
from plainnet.validation.calibrating import TrainedNetworks, calibrate, singles_of
from tests.search.browser import BROWSER, Page, browser_page
from tests.search.small import small_config

pytest.importorskip("starlette", reason="the extra dashboard is not installed")

CONFIG = "model: {structure: 'SuperConvK3BNRELU(1,8,1,1)'}\ndata: {type: digits}\ntrain: {epochs: 3}\n"
EVIL = "<img src=x onerror=hacked=1>'\"&"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str


def asked(
    app: Any, path: str, *, query: str = "", host: str = "localhost:8000", method: str = "GET", **headers: str
) -> Answer:
    """What an application answers, without a network."""
    sent: list[dict[str, Any]] = []
    fields = [
        (b"host", host.encode()),
        *((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()),
    ]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": fields,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    start = sent[0]
    text = b"".join(message.get("body", b"") for message in sent[1:]).decode()
    return Answer(start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, text)


def shown(app: Any, path: str, **headers: str) -> Answer:
    """The page of what lies at a path."""
    return asked(app, "/at", query=urlencode({"run": path}), **headers)


def training(folder: Path, *, rounds: int = 2, data: str = "digits") -> Path:
    """A training run as it lies on the disk while it goes on."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG.replace("digits", data))
    lines = [
        {
            "event": "epoch",
            "epoch": n,
            "iteration": 20 * n,
            "lr": 0.1,
            "train/loss": 1 / n,
            "val/loss": 2 / n,
            "val/accuracy": 0.4 + n / 10,
            "seconds": n,
        }
        for n in range(1, rounds + 1)
    ]
    (folder / "log.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("kept")
    search(small_config(candidates=200), root / "searched")
    training(root / "trained")
    training(root / "below" / "again", rounds=3)
    (root / "broken").mkdir()
    (root / "broken" / "run.sqlite").write_text("no database")
    return root


def test_everything_is_listed_and_has_a_page(folder: Path) -> None:
    app = application(folder)
    listed = asked(app, "/")
    assert listed.status == 200
    for path in ("searched", "trained", "below/again", "broken"):
        assert f"href='/at?run={path}'" in listed.text
    assert "unreadable" in listed.text
    assert "The winner" in shown(app, "searched").text
    trained = shown(app, "trained").text
    assert "best accuracy, in round 2" in trained
    assert "of 3 epochs" in trained
    assert shown(app, "broken").status == 409
    compared = asked(app, "/compare", query="run=trained&run=below%2Fagain")
    assert "2 training runs" in compared.text
    assert "1 searches" in asked(app, "/compare", query="run=searched").text
    mixed = asked(app, "/compare", query="run=searched&run=trained")
    assert (mixed.status, "trained is a training, searched a search" in mixed.text) == (404, True)
    assert asked(app, "/compare").status == 404


def test_each_kind_of_folder_is_listed_as_what_it_is_and_has_a_page(tmp_path: Path) -> None:
    optimum(load_space("zennas-resnet"), limits={"params": 3e4, "layers": 6}, resolution=16, out=tmp_path / "solved")
    config = small_config(resolution=16, limits={"layers": 6})
    sweep_exactly(config, "params", [3e4, 6e4], tmp_path / "optima", quiet=True, as_json=False, is_full=False)
    tuned = tmp_path / "tuned"
    training(tuned / "trials" / "000")
    asked_for = Asked(("optim.lr=1e-3:1:log",), 2, 0, "accuracy", is_small=False)
    write_asked(tuned, asked_for, {})
    write_line(tuned, trial=0, begun={"optim.lr": 0.0312345})
    write_line(tuned, trial=0, value=0.75, round=2)
    app = application(tmp_path)
    listed = asked(app, "/").text
    kinds = re.split(r"<h2>([^<]*)</h2>", listed.partition("<script")[0])
    found = dict(zip(kinds[1::2], kinds[2::2], strict=True))
    assert set(found) == {"Exact searches", "Sweeps", "Trainings", "Searches over settings"}
    assert "Zen-score, fast form" in found["Exact searches"], "in words"
    assert "2 networks" in found["Sweeps"]
    assert re.search(r"optim\.lr.*1 of 2 trials.*accuracy 0\.7500", found["Searches over settings"])
    pages = {path: shown(app, path) for path in ("solved", "optima", "tuned", "tuned/trials/000")}
    assert {answer.status for answer in pages.values()} == {200}
    assert "2 optima under limits of params" in pages["optima"].text
    assert "optim.lr=0.0312" in pages["tuned"].text, "a training is called by what it tried"
    for name, text in {"tune.json": "{}", "trials.jsonl": "x"}.items():
        before = (tuned / name).read_text()
        (tuned / name).write_text(text)
        assert "unreadable" in asked(app, "/").text
        assert shown(app, "tuned").status == 409
        (tuned / name).write_text(before)


OUTSIDE = ["../..", "..", "/etc", "\0", "searched/run.sqlite", "x" * 5000, "nothing"]


@pytest.mark.parametrize("path", OUTSIDE, ids=range(len(OUTSIDE)))
def test_no_path_leaves_the_folder(folder: Path, path: str) -> None:
    assert shown(application(folder), path).status == 404


@pytest.mark.parametrize("path", ["/nothing", "/at/searched", "/run.sqlite"])
def test_there_are_no_other_pages(folder: Path, path: str) -> None:
    assert asked(application(folder), path).status == 404


@pytest.mark.parametrize("name", ["a b", "a#b?c=d&e%20f", "line\nend", "quote'\"<b>", "ümlaut", "+"])
def test_a_folder_may_be_called_anything(tmp_path: Path, name: str) -> None:
    training(tmp_path / name)
    app = application(tmp_path)
    link = re.search(r"href='/at\?([^']*)'", asked(app, "/").text)
    assert link is not None
    answer = asked(app, "/at", query=html.unescape(link[1]))
    assert (answer.status, "of 3 epochs" in answer.text) == (200, True)


def test_links_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    training(tmp_path / "outside" / "run")
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "link").symlink_to(tmp_path / "outside" / "run")
    app = application(tmp_path / "inside")
    assert "link" not in asked(app, "/").text.split("<main>")[1].split("<script")[0]
    assert shown(app, "link").status == 404


def test_nobody_else_is_answered_and_nothing_is_changed(folder: Path) -> None:
    app = application(folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    for host in ("evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "localhost.evil"):
        assert asked(app, "/", host=host).status == 421
    for host in ("localhost", "127.0.0.1:9", "[::1]:8000"):
        assert asked(app, "/", host=host).status == 200
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert shown(app, "trained", method=method).status == 405
    for answer in (asked(app, "/"), asked(app, "/", host="evil"), asked(app, "/nothing"), shown(app, "broken")):
        assert answer.headers["content-security-policy"] == content_policy()
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-cache"
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before


def test_a_page_that_did_not_change_is_not_sent_again(folder: Path) -> None:
    app = application(folder)
    first = shown(app, "trained")
    assert shown(app, "trained", if_none_match=first.headers["etag"]).status == 304


def test_what_goes_on_is_seen(tmp_path: Path) -> None:
    run = training(tmp_path / "run", rounds=1)
    kept = Kept(tmp_path)
    assert kept.stamp() == Kept(tmp_path).stamp()
    before = kept.stamp()
    with (run / "log.jsonl").open("a") as file:
        file.write('{"event": "epoch", "epoch": 2, "iteration": 40, "val/accuracy": 0.9, "seconds": 2}\n{"event": "ep')
    assert kept.stamp() != before
    assert curves_of(run)["rounds"]["accuracy"]["val"] == [(20, 0.5), (40, 0.9)], "half a line is none yet"
    assert "0.9" in shown(application(tmp_path), "run").text
    shutil.rmtree(run)
    assert kept.entries() == []


def test_hostile_names_and_damaged_logs(tmp_path: Path) -> None:
    training(tmp_path / EVIL.replace("/", ""), data="digits")
    broken = training(tmp_path / "damaged")
    (broken / "log.jsonl").write_text('{"event": "epoch", "iteration": "x"}\n')
    app = application(tmp_path)
    text = asked(app, "/").text
    assert "<img" not in text
    answer = shown(app, "damaged")
    assert answer.status == 409
    assert "is damaged: line 1" in answer.text
    with pytest.raises(UsageError, match="there is no folder"):
        Kept(tmp_path / "nothing")


def test_two_hundred_runs_are_listed_in_a_second_of_work(tmp_path: Path) -> None:
    for number in range(200):
        training(tmp_path / f"run{number}")
    kept = Kept(tmp_path)
    assert len(kept.entries()) == 200
    opened: list[object] = []
    kept._learned = lambda place, **_: opened.append(place)  # type: ignore[assignment,method-assign]
    assert len(kept.entries()) == 200
    assert opened == [], "what did not change is not read again"


def test_a_list_of_many_runs_is_shown_before_all_are_read_and_fills_up(tmp_path: Path) -> None:
    for number in range(30):
        for path in training(tmp_path / f"run{number}").iterdir():
            os.utime(path, (1e9, 1e9 + number))
    kept, read = Kept(tmp_path), list[str]()
    honest = kept._learned

    def slowly(place: Any, *, check: bool) -> Any:
        read.append(place.path.name)
        time.sleep(0.02)
        return honest(place, check=check)

    kept._learned = slowly  # type: ignore[method-assign]
    first, before = kept.entries(0.1), kept.stamp()
    assert [each.path for each in first] == [f"run{number}" for number in reversed(range(30))]
    assert read[0] == "run29", "what was changed last"
    states = [each.state for each in first]
    some = states.index("not read yet")
    assert set(states[some:]) == {"not read yet"}
    assert (len(read), kept.stamp()) == (some, before), "nothing is opened for a stamp that does not read"
    stamps = [kept.stamp(0.1)]
    while len(read) < 30:
        stamps.append(kept.stamp(0.1))
    assert len({before, *stamps}) == len(stamps) + 1, "a page that is open is told whenever there is more"
    assert kept.stamp(0.1) == stamps[-1]
    assert "not read yet" not in {each.state for each in kept.entries(0.0)}
    assert sorted(read) == sorted(each.path for each in first), "each once"


def test_a_search_is_listed_before_all_of_it_was_checked_and_then_is(tmp_path: Path) -> None:
    """A number that another program changed is found out, though the list does not wait for it."""
    for name in ("sound", "changed"):
        search(small_config(candidates=200), tmp_path / name)
    with sqlite3.connect(tmp_path / "changed" / "run.sqlite") as file:
        file.execute("UPDATE candidates SET params = params + 1 WHERE id = 1")
    kept, checks = Kept(tmp_path), list[bool]()
    honest = kept._learned

    def noted(place: Any, *, check: bool) -> Any:
        checks.append(check)
        return honest(place, check=check)

    kept._learned = noted  # type: ignore[method-assign]
    end = time.monotonic() + 60
    kept.entries(0.0)
    before = kept.stamp()
    while not kept.is_read and time.monotonic() < end:
        kept.stamp(0.001)
    assert checks == [False, False, True, True], "first what is listed, then all of it"
    assert kept.stamp() != before
    found = {each.path: (each.state, each.problem) for each in kept.entries(0.0)}
    assert found["sound"] == ("finished", "")
    assert found["changed"][0] == "unreadable"
    assert "epoch" in found["changed"][1]
    assert checks == [False, False, True, True]
    assert {each.path: each.state for each in Kept(tmp_path).entries()} == {
        "sound": "finished",
        "changed": "unreadable",
    }


def test_calibrations_are_listed_and_have_a_page(tmp_path: Path) -> None:
    kept_in = tmp_path / "in here"
    training(kept_in)
    (kept_in / "other.json").write_text("{}")
    codes = [f"{number:08b}" for number in range(0, 256, 12)]
    features = tuple(network_features(network_of_code(code), 32) for code in codes)
    networks = TrainedNetworks(
        "t.csv", (32, 32), tuple(codes), features, tuple(each.entropy for each in features), singles_of(features)
    )
    calibrate(networks).calibration.write(kept_in / "a b.json")
    app = application(tmp_path)
    listed = asked(app, "/").text
    assert "<h2>Calibrations</h2>" in listed
    assert "href='/at?run=in%20here/a%20b.json'" in listed
    assert "22 networks" in listed
    page = shown(app, "in here/a b.json")
    assert (page.status, "Expected against measured" in page.text) == (200, True)
    assert [shown(app, f"in here/{name}").status for name in ("other.json", "config.yaml", "log.jsonl")] == [404] * 3
    (kept_in / "a b.json").write_text('{"plainnet_calibration": 1}')
    assert "unreadable" in asked(app, "/").text
    assert shown(app, "in here/a b.json").status == 404


def test_files_that_are_links_out_of_the_folder_are_not_read(tmp_path: Path) -> None:
    outside, root = training(tmp_path / "outside"), tmp_path / "inside"
    for name in ("whole", "log"):
        training(root / name)
    (root / "whole" / "config.yaml").unlink()
    (root / "whole" / "config.yaml").symlink_to(outside / "config.yaml")
    (root / "log" / "log.jsonl").unlink()
    (root / "log" / "log.jsonl").symlink_to(outside / "log.jsonl")
    (root / "plainnet.json").symlink_to(outside / "config.yaml")
    app = application(root)
    for name in ("whole", "log"):
        answer = shown(app, name)
        assert (answer.status, "leads out of this folder" in answer.text) == (404, True)
    assert "run=whole" not in asked(app, "/").text
    (root / "log" / "log.jsonl").unlink()
    (root / "log" / "real.jsonl").write_text((outside / "log.jsonl").read_text())
    (root / "log" / "log.jsonl").symlink_to("real.jsonl")
    assert shown(app, "log").status == 200, "a link to a place inside leads nowhere else"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The dashboard on a free port of this machine."""
    import socket

    import uvicorn

    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()  # whoever connects before the server runs waits for it
    server = uvicorn.Server(
        uvicorn.Config(application(folder, every=0.2), log_level="critical", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()


class ToldError(Exception):
    """The address was told."""


def test_an_address_that_is_told_can_be_asked_and_belongs_to_one_alone(tmp_path: Path) -> None:
    import socket

    def said(text: str) -> None:
        found = re.match(r"http://127\.0\.0\.1:(\d+)/", text)
        assert found is not None
        port = int(found[1])
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
        with pytest.raises(UsageError, match=rf"cannot listen on 127\.0\.0\.1:{port}"):
            serve(tmp_path, port=port, said=lambda _: None)
        raise ToldError

    with pytest.raises(ToldError):
        serve(tmp_path, port=0, said=said)


def told(address: str, since: str, *, last: str = "") -> tuple[str, str]:
    """What a page that was made at `since` is told first, or one that had heard of `last`: whether it is an event, and which."""
    request = urllib.request.Request(f"{address}changes?since={since}", headers={"Last-Event-ID": last} if last else {})
    with urllib.request.urlopen(request, timeout=20) as answer:
        lines = [answer.readline().decode().strip() for _ in range(4)]
    return ("changed" if "data: changed" in lines else "nothing", lines[2])


@pytest.mark.slow
def test_what_changes_before_a_page_listens_is_told(tmp_path: Path) -> None:
    run = training(tmp_path / "kept" / "run", rounds=1)
    with served(tmp_path / "kept") as address:
        with urllib.request.urlopen(f"{address}at?run=run") as answer:
            found = re.search(r'data-live="/changes\?since=(-?\d+)"', answer.read().decode())
        assert found is not None
        since = found[1]
        assert told(address, since) == ("nothing", ": still here")
        with (run / "log.jsonl").open("a") as file:
            file.write('{"event": "epoch", "epoch": 2, "iteration": 40, "val/accuracy": 0.75, "seconds": 2}\n')
        what, line = told(address, since)
        assert (what, line[:4]) == ("changed", "id: ")
        assert told(address, since, last=line[4:]) == ("nothing", ": still here"), "a connection that is taken up again"


def change(page: Page, what: str, value: str) -> None:
    """Give a field another value, as a person does."""
    page.run(f"document.querySelector('{what}').value = '{value}'")
    for event in ("input", "change"):
        page.run(f"document.querySelector('{what}').dispatchEvent(new Event('{event}', {{bubbles: true}})); 0")


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_an_open_page_follows_a_run(tmp_path: Path) -> None:
    run = training(tmp_path / "kept" / "run", rounds=1)
    search(small_config(candidates=200), tmp_path / "kept" / "searched")
    empty = tmp_path / "empty.html"
    empty.write_text("<title>x</title>")
    with served(tmp_path / "kept") as address, browser_page(empty) as page:
        page.call(
            "Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )
        page.call("Page.navigate", url=f"{address}at?run=run")
        page.until(
            "document.readyState === 'complete' && document.body && document.body.textContent.includes('of 3 epochs')"
        )
        assert "0.5" in page.run("document.querySelector('.card b').textContent")
        with (run / "log.jsonl").open("a") as file:
            file.write('{"event": "epoch", "epoch": 2, "iteration": 40, "val/accuracy": 0.75, "seconds": 2}\n')
        page.until("document.querySelector('.card b').textContent === '0.7500'")
        page.call("Page.navigate", url=f"{address}at?run=searched")
        page.until("document.querySelectorAll('[data-explorer] .mark').length > 0")
        change(page, "select[name=x]", "params")
        os.utime(run / "log.jsonl", (time.time(), time.time() + 5))
        time.sleep(1)
        assert page.run("document.querySelector('select[name=x]').value") == "params"
        page.call("Page.navigate", url=address)
        page.until("document.querySelectorAll('.entries tbody tr').length === 2")
        change(page, "[data-filter]", "searched")
        assert page.run("[...document.querySelectorAll('.entries tbody tr')].filter(row => !row.hidden).length") == 1
        assert page.problems == []
        page.call("Page.navigate", url=f"{address}at?run=run")
        page.until("document.readyState === 'complete' && document.body?.textContent.includes('of 3 epochs')")
        shutil.rmtree(run)
        page.until("document.querySelector('main')?.textContent.includes('there is no folder run here')")
