"""The nginx of SECURITY.md, as it stands there but for addresses and what a test replaces."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from authority import Authority
from endpoints import JSON, TASKS
from fixtures import RunService
from nginx import running_nginx
from pages import PAGES, fences
from ports import free_port
from service import Service
from users import bearer

pytestmark = pytest.mark.integration

FRONT_END = "https://app.example.com"
TOO_MANY = {"error": "Too many requests", "code": "TOO_MANY_REQUESTS"}
[LINES] = [fence.text for fence in fences(PAGES["SECURITY.md"]) if fence.language == "nginx"]
HEAD = f"POST {TASKS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def service(run_service: RunService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("limits")
    with run_service(
        NEON_DATABASE_URL=f"sqlite:///{folder / 'tasks.db'}", BETTER_AUTH_URL=FRONT_END
    ) as service:
        yield service.wait_until_started()


class Proxy:
    def __init__(self, port: int, trust: ssl.SSLContext) -> None:
        self.port = port
        self._trust = trust
        self.client = httpx2.Client(
            base_url=f"https://localhost:{port}",
            headers={"Origin": FRONT_END},
            verify=trust,
            timeout=20,
            trust_env=False,
        )

    def connect(self) -> ssl.SSLSocket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        return self._trust.wrap_socket(connection, server_hostname="localhost")


Run = Callable[..., Proxy]


@pytest.fixture
def run(service: Service, tmp_path: Path) -> Iterator[Run]:
    """Gives the proxy, with these replacements in its lines."""
    authority = Authority(tmp_path)
    port = free_port()
    ours = {
        "127.0.0.1:8000": f"127.0.0.1:{service.port}",
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/ssl/tasks.example.com.pem": str(tmp_path / "localhost.pem"),
        "/etc/ssl/tasks.example.com.key": str(tmp_path / "localhost.pem"),
    }
    with ExitStack() as stack:

        def run(replacements: dict[str, str] | None = None) -> Proxy:
            lines = LINES
            for there, here in (ours | (replacements or {})).items():
                assert there in lines
                lines = lines.replace(there, here)
            stack.enter_context(running_nginx(tmp_path, lines, port))
            proxy = Proxy(port, ssl.create_default_context(cafile=authority.certificate))
            stack.enter_context(proxy.client)
            return proxy

        yield run


def test_requests_are_served_over_tls(run: Run) -> None:
    client = run().client

    created = client.post(TASKS, json={"title": "Buy groceries"}, headers=bearer())
    too_large = client.post(TASKS, content=b" " * 100_000, headers=JSON | bearer())

    assert created.status_code == 201
    assert created.headers["Access-Control-Allow-Origin"] == FRONT_END
    assert client.get(created.headers["Location"], headers=bearer()).status_code == 200
    assert too_large.json()["code"] == "PAYLOAD_TOO_LARGE"


def test_more_requests_than_the_rate_are_refused_in_words_that_a_page_can_read(run: Run) -> None:
    # None comes free while the test runs.
    client = run({"rate=20r/s": "rate=1r/m"}).client

    answers = [client.get("/health") for _ in range(50)]

    assert [answer.status_code for answer in answers] == [200] * 41 + [429] * 9
    assert answers[-1].json() == TOO_MANY
    assert answers[-1].headers["Access-Control-Allow-Origin"] == FRONT_END
    assert answers[-1].headers["Access-Control-Allow-Credentials"] == "true"
    assert answers[-1].headers["Content-Type"] == "application/json"
    assert answers[-1].headers["Retry-After"] == "1"


def test_more_connections_than_the_limit_are_refused(run: Run) -> None:
    # They wait longer than the test runs.
    proxy = run({"client_body_timeout 10s": "client_body_timeout 10m"})
    with ExitStack() as stack:
        for _ in range(20):
            connection = stack.enter_context(proxy.connect())
            connection.sendall(f"{HEAD}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n".encode())
            # nginx has read the head, so the connection counts.
            assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")

        answer = proxy.client.get("/health")

    assert (answer.status_code, answer.json()) == (429, TOO_MANY)


@pytest.mark.parametrize(
    "part",
    [HEAD, HEAD + "Content-Length: 1000\r\n\r\n{"],
    ids=["a head without an end", "a body without an end"],
)
def test_a_slow_request_ends_in_time_and_never_reaches_the_service(
    run: Run, service: Service, part: str
) -> None:
    proxy = run({"header_timeout 10s": "header_timeout 1s", "body_timeout 10s": "body_timeout 1s"})
    before = service.log()

    with proxy.connect() as connection:
        connection.sendall(part.encode())
        while connection.recv(1000):
            pass

    assert service.log() == before
