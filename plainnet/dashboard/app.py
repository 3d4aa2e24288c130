"""The server: pages over HTTP, read only by construction.

GET and HEAD alone; no path leaves the folder; the `Host` must be one that the server was told (a page of somebody else's that
resolves its own name to this machine reads nothing); every answer forbids everything that its page does not need.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.dashboard.kept import Kept
from plainnet.dashboard.views import compared, view_of
from plainnet.errors import MissingExtraError, PlainnetError, UsageError
from plainnet.pages.folder_list import index_page, problem_page
from plainnet.pages.shell import content_policy, linked

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["LOOPBACK", "application", "serve"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
CHANGES = "/changes"
EVERY = 2.0
"""Seconds between two looks at the files, while a page is open."""
SOON = 0.1
"""The same while there are runs that were not read yet."""
READING = 0.5
"""Seconds that are spent on runs that nobody has read yet, before the list is shown, and between two looks: it fills up."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def application(folder: Path, hosts: tuple[str, ...] = LOOPBACK, *, every: float = EVERY) -> Starlette:
    """The application over a folder. `hosts`: the names under which it may be asked; `every`: seconds between two looks."""
    try:
        from starlette.applications import Starlette
        from starlette.routing import Route
    except ImportError:
        raise MissingExtraError("starlette", "dashboard") from None
    kept = Kept(folder)
    turn = threading.Lock()

    def alone(make: Callable[[Request, str], str]) -> Callable[[Request], Awaitable[Response]]:
        return _alone(make, kept, turn)

    async def changes(request: Request) -> Response:
        from starlette.responses import StreamingResponse

        return StreamingResponse(_changes(request, kept, every), media_type="text/event-stream")

    app = Starlette(
        routes=[
            Route("/", alone(lambda _, live: _index(kept, live))),
            Route("/at", alone(lambda request, live: _view(kept, request, live))),
            Route("/compare", alone(lambda request, live: _compared(kept, request, live))),
            Route(CHANGES, changes),
        ]
    )
    app.add_middleware(_Guard, hosts=hosts)
    return app


def _alone(
    make: Callable[[Request, str], str], kept: Kept, turn: threading.Lock
) -> Callable[[Request], Awaitable[Response]]:
    """A page that is made in a thread, one at a time: while it is made, the server goes on answering. It is told where to
    listen for what changes after the look at the files that it comes from."""

    async def answer(request: Request) -> Response:
        def made() -> tuple[int, str]:
            with turn:
                try:
                    return 200, make(request, f"{CHANGES}?since={kept.stamp()}")
                except UsageError as error:
                    return 404, problem_page("Not found", str(error))
                except PlainnetError as error:
                    return 409, problem_page("This cannot be shown", str(error))

        return _page(request, *await asyncio.to_thread(made))

    return answer


def _index(kept: Kept, live: str) -> str:
    entries = [asdict(each) for each in kept.entries(READING)]
    note = "" if kept.is_whole else "There are too many folders here to look at all of them; start it in one of them."
    return linked(index_page(kept.root.name or str(kept.root), entries, note=note), {}, live=live)


def _view(kept: Kept, request: Request, live: str) -> str:
    query = request.query_params
    return view_of(kept, query.get("run", ""), query.get("page", ""), live=live)


def _compared(kept: Kept, request: Request, live: str) -> str:
    query = request.query_params
    return compared(kept, query.getlist("run"), query.get("page", ""), live=live)


def _page(request: Request, status: int, text: str) -> Response:
    from starlette.responses import HTMLResponse, Response

    tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    return HTMLResponse(text, status, headers={"ETag": tag})


async def _changes(request: Request, kept: Kept, every: float) -> AsyncIterator[str]:
    """An event whenever a file changed, as long as somebody listens: since the page was made, or, where a connection is taken
    up again, since the last event. So nothing is missed that happens while nobody is connected."""
    before = request.headers.get("last-event-id") or request.query_params.get("since", "")
    yield "retry: 3000\n\n"
    while not await request.is_disconnected():
        now = str(await asyncio.to_thread(kept.stamp, READING))
        yield f"id: {now}\ndata: changed\n\n" if now != before else ": still here\n\n"
        before = now
        await asyncio.sleep(every if kept.is_read else SOON)


class _Guard:
    """Asks of every request who it is for, and says with every answer what it may do."""

    def __init__(self, app: Any, hosts: tuple[str, ...]) -> None:
        self.app, self.hosts = app, hosts
        self.policy = content_policy()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        from starlette.responses import PlainTextResponse

        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                added = {**HEADERS, "Content-Security-Policy": self.policy}
                message["headers"] = [
                    *message.get("headers", ()),
                    *((name.lower().encode(), value.encode()) for name, value in added.items()),
                ]
            await send(message)

        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        name = host.rsplit(":", 1)[0].strip("[]") if not host.endswith("]") else host.strip("[]")
        if name not in self.hosts:
            await PlainTextResponse(f"this server does not answer for {host!r}", 421)(scope, receive, guarded)
        elif scope["method"] not in ("GET", "HEAD"):
            await PlainTextResponse("read only", 405, headers={"Allow": "GET, HEAD"})(scope, receive, guarded)
        else:
            await self.app(scope, receive, guarded)


def serve(folder: Path, *, host: str = "127.0.0.1", port: int = 8000, said: Callable[[str], None] = print) -> None:
    """Serve until Ctrl-C. Raises `UsageError` for a port that is taken."""
    try:
        import uvicorn
    except ImportError:
        raise MissingExtraError("uvicorn", "dashboard") from None
    import socket

    app = application(folder, tuple(dict.fromkeys((*LOOPBACK, host))))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen()  # whoever is told the address may ask at once, and waits until the server runs
    except OSError as error:
        listening.close()
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror or error}; another one: --port") from None
    with listening:
        shown = f"[{host}]" if ":" in host else host
        said(f"http://{shown}:{listening.getsockname()[1]}/  (Ctrl-C ends it)")
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
        uvicorn.Server(config).run(sockets=[listening])
