"""The pictures of pages in README.md and docs/pages.md, made anew from real runs: `make screenshots`.

It searches, solves and trains for about a minute, writes the pages as the commands do, opens them in Chromium and keeps parts
of them in docs/pictures/.
"""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.search.browser import Page, browser_page  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
WIDTH = 1180
COLOURS = 192
"""Of a picture: pages have few, and a picture stays small."""
TRAINING = """_base_: quick
evaluators: [{type: ConfusionMatrix}]
train: {epochs: 3}
log: {tensorboard: false}
"""
COMMANDS = [
    "search digits.yaml --candidates 40000 --quiet --bound-seconds 20 --out search",
    "report search",
    "sweep digits.yaml --exact --vary params=2e4,4e4,6e4,8e4,1e5 --quiet --out sweep",
    "train training.yaml --out training",
    "train training.yaml optim.lr=0.02 --out slower",
    "optimum digits.yaml --out optimum",
    "store add training --name digits --store models",
    "report training --images 7",
]


class Shot(NamedTuple):
    """A part of a page: from the top of the first element that a selector names to the bottom of the last one. `page`: a file, or
    what a server of `plainnet dashboard` is asked for.
    """

    page: str
    first: str
    last: str
    scheme: str = "light"


SHOTS = {
    "search": Shot("search/report.html", "header", "main > section:nth-of-type(1)"),
    "front": Shot("search/report.html", "main > section:nth-of-type(3)", "main > section:nth-of-type(3)"),
    "sweep": Shot("sweep/sweep.html", "header", "main > section:nth-of-type(1)", "dark"),
    "training": Shot("training/report.html", "section:has(figure.square)", "section:has(.images)"),
    "dashboard": Shot("/", "header", "main > section:last-of-type"),
}


def taken(page: Page, shot: Shot) -> bytes:
    """The part of the page that is open, as PNG."""
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": shot.scheme}])
    page.call("Emulation.setDeviceMetricsOverride", width=WIDTH, height=900, deviceScaleFactor=1, mobile=False)
    page.until(f"window.innerWidth === {WIDTH}")
    top = page.run(f"document.querySelector('{shot.first}').getBoundingClientRect().top + scrollY")
    bottom = page.run(f"document.querySelector('{shot.last}').getBoundingClientRect().bottom + scrollY")
    clip = {"x": 0, "y": top - 14, "width": WIDTH, "height": bottom - top + 28, "scale": 1}
    found = page.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
    picture = Image.open(io.BytesIO(base64.b64decode(found["data"]))).convert("RGB").quantize(COLOURS, dither=0)
    file = io.BytesIO()
    picture.save(file, "png", optimize=True)
    return file.getvalue()


@contextmanager
def address_of(folder: Path) -> Iterator[str]:
    """A dashboard over a folder, as the command starts it."""
    words = [sys.executable, "-m", "plainnet", "dashboard", str(folder), "--port", "0"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            yield server.stderr.readline().split()[0]
        finally:
            server.terminate()


def opened(page: Page, folder: Path, shot: Shot, address: str) -> None:
    """Show what a picture is of."""
    if not shot.page.startswith("/"):
        page.go(folder / shot.page)
        return
    page.call("Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1)
    page.call("Page.navigate", url=f"{address.rstrip('/')}{shot.page}")
    page.until(f"location.href.startsWith({address!r}) && document.querySelector({shot.last!r}) !== null")
    page.until("!document.body.textContent.includes('not read yet')")  # the list fills up while it is shown


def main() -> None:
    """Make the runs, and the pictures of their pages."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "runs"
        folder.mkdir()
        (folder / "digits.yaml").write_text((ROOT / "examples" / "digits.yaml").read_text())
        (folder / "training.yaml").write_text(TRAINING)
        for command in COMMANDS:
            print(f"plainnet {command}")
            subprocess.run([sys.executable, "-m", "plainnet", *command.split()], cwd=folder, check=True)
        with address_of(folder) as address, browser_page(folder / SHOTS["search"].page) as page:
            pictures = {}
            for name, shot in SHOTS.items():
                opened(page, folder, shot, address)
                pictures[name] = taken(page, shot)
        for name, picture in pictures.items():
            (PICTURES / f"{name}.png").write_bytes(picture)
            print(f"docs/pictures/{name}.png: {len(picture):,} bytes")


if __name__ == "__main__":
    main()
