"""A real browser, whose page calls the API from the front end's origin, and from another one."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from service import Service
from signing import signed
from users import OWNER, SECRET, SOMEONE_ELSE, token_for

PAGE = (Path(__file__).parent / "page.html").read_text()
PAGE_SECONDS = 60
FAR_FUTURE = 2**33

pytestmark = pytest.mark.integration


class FrontEnd:
    """Serves the page on an origin of its own, and takes what the page reports."""

    def __init__(self) -> None:
        self.reports: Queue[Any] = Queue()
        self.settings: dict[str, str] = {}
        front_end = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(PAGE.replace("SETTINGS", json.dumps(front_end.settings)).encode())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                front_end.reports.put(json.loads(body))
                self._answer(b"")

            def _answer(self, body: bytes) -> None:
                self.send_response(200 if self.path == "/" else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def front_end() -> Iterator[FrontEnd]:
    served = FrontEnd()
    try:
        yield served
    finally:
        served.close()


def seen_by_browser(front_end: FrontEnd, service: Service, profile: Path) -> dict[str, Any]:
    """What the page's script sees of each of its calls, by name."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    assert browser, "This test needs Chromium (Debian: apt-get install chromium)"
    front_end.settings = {
        "api": service.origin,
        "token": token_for(),
        "unknownKey": signed(
            {"alg": "EdDSA", "kid": "unknown"},
            {"sub": OWNER, "iss": front_end.origin, "aud": front_end.origin, "exp": FAR_FUTURE},
            lambda _: bytes(64),
        ),
        "owner": OWNER,
        "other": SOMEONE_ELSE,
    }
    process = subprocess.Popen(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={profile}",
            "--remote-debugging-port=0",
            front_end.origin,
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        report: dict[str, Any] = front_end.reports.get(timeout=PAGE_SECONDS)
        return report
    finally:
        process.kill()
        process.wait()


@contextmanager
def running(app_folder: Path, log: Path, trusted: FrontEnd) -> Iterator[Service]:
    environment = {
        "BETTER_AUTH_SECRET": SECRET,
        "BETTER_AUTH_URL": trusted.origin,
        "NEON_DATABASE_URL": f"sqlite:///{log.with_suffix('.db')}",
    }
    with Service(app_folder, log, environment) as service:
        yield service.wait_until_started()


def test_a_page_of_the_front_end_reads_every_answer(app_folder: Path, tmp_path: Path) -> None:
    with front_end() as page, running(app_folder, tmp_path / "log", page) as service:
        seen = seen_by_browser(page, service, tmp_path / "profile")

    outcome = {name: (one["status"], one["body"].get("code")) for name, one in seen.items()}
    assert outcome == {
        "created": (201, None),
        "listed": (200, None),
        "updated": (200, None),
        "toggled": (200, None),
        "deleted": (200, None),
        "missing": (404, "NOT_FOUND"),
        "noToken": (401, "UNAUTHORIZED"),
        "unknownKey": (503, "SERVICE_UNAVAILABLE"),
        "ofAnother": (403, "FORBIDDEN"),
        "notJson": (400, "VALIDATION_ERROR"),
        "wrongMethod": (405, "METHOD_NOT_ALLOWED"),
        "tooLarge": (413, "PAYLOAD_TOO_LARGE"),
    }
    assert seen["created"]["headers"] == ["Location", "X-Request-ID"]
    assert seen["noToken"]["headers"] == ["WWW-Authenticate", "X-Request-ID"]
    assert seen["unknownKey"]["headers"] == ["Retry-After", "X-Request-ID"]


def test_a_page_of_another_origin_reads_nothing(app_folder: Path, tmp_path: Path) -> None:
    with (
        front_end() as trusted,
        front_end() as stranger,
        running(app_folder, tmp_path / "log", trusted) as service,
    ):
        seen = seen_by_browser(stranger, service, tmp_path / "profile")

    assert seen
    assert all(answer == {"error": "TypeError"} for answer in seen.values())
