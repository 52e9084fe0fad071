"""Behind a real nginx with its usual recipe for WebSockets, which keeps its connections to the
service: what one client sends on such a connection must never become another client's request.
"""

import socket
from collections.abc import Iterator
from contextlib import suppress
from uuid import uuid4

import httpx2
import pytest
from fixtures import RunService
from nginx import running_nginx
from ports import free_port
from users import bearer

pytestmark = pytest.mark.integration

ROUNDS = 30
# More than uvicorn reads at once, so that the rest arrives when the answer has been sent.
LINE_BREAKS = b"\r\n" * 150_000

HTTP = """
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  upstream service {{ server 127.0.0.1:{behind}; keepalive 1; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://service;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }}
  }}
"""


@pytest.fixture(scope="module")
def proxy(run_service: RunService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an nginx before a worker."""
    folder = tmp_path_factory.mktemp("nginx")
    port = free_port()
    with run_service(NEON_DATABASE_URL=f"sqlite:///{folder / 'tasks.db'}") as service:
        service.wait_until_started()
        with running_nginx(folder, HTTP.format(port=port, behind=service.port), port):
            yield port
    assert "Traceback" not in service.log()


def send(port: int, head: str, body: bytes) -> None:
    """Send a request with a body, and wait for whatever comes back."""
    head += f"Host: tasks.test\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        with suppress(ConnectionError):
            connection.sendall(head.encode() + body)
        with suppress(ConnectionError, TimeoutError):
            connection.recv(65536)


@pytest.fixture
def victim(proxy: int) -> Iterator[httpx2.Client]:
    user = f"user_{uuid4().hex}"
    with httpx2.Client(
        base_url=f"http://127.0.0.1:{proxy}/api/{user}/", headers=bearer(user), trust_env=False
    ) as client:
        yield client


def test_nobody_lets_a_victims_token_delete_the_victims_task(
    proxy: int, victim: httpx2.Client
) -> None:
    created = victim.post("tasks", json={"title": "Buy groceries"})
    task = created.json()["data"]
    # What the victim sends next, its token too, would go on behind this.
    smuggled = f"DELETE {created.headers['Location']} HTTP/1.1\r\nHost: tasks.test\r\nX-Rest: "

    answers = []
    for _ in range(ROUNDS):
        send(proxy, "GET /health HTTP/1.1\r\nUpgrade: x\r\n", LINE_BREAKS + smuggled.encode())
        answers.append(victim.get(f"tasks/{task['id']}"))

    assert [answer.json()["data"] for answer in answers] == [task] * ROUNDS


def test_no_client_is_answered_with_what_another_one_asked_for(
    proxy: int, victim: httpx2.Client
) -> None:
    created = victim.post("tasks", json={"title": "Buy groceries"})
    attacker = f"user_{uuid4().hex}"
    authorization = bearer(attacker)["Authorization"]
    smuggled = (
        f"GET /api/{attacker}/tasks HTTP/1.1\r\nHost: tasks.test\r\n"
        f"Authorization: {authorization}\r\n\r\n"
    )

    answers = []
    for _ in range(ROUNDS):
        send(proxy, "POST /health HTTP/1.1\r\nUpgrade: x\r\n", LINE_BREAKS + smuggled.encode())
        answers.append(victim.get("tasks"))

    assert [answer.json()["data"] for answer in answers] == [[created.json()["data"]]] * ROUNDS


def test_a_client_that_offers_http2_without_a_body_is_served(victim: httpx2.Client) -> None:
    answer = victim.get("tasks", headers={"Upgrade": "h2c", "Connection": "Upgrade"})

    assert answer.status_code == 200


def test_a_client_that_offers_http2_with_a_body_is_told_what_to_do(victim: httpx2.Client) -> None:
    answer = victim.post(
        "tasks",
        json={"title": "Buy groceries"},
        headers={"Upgrade": "h2c", "Connection": "Upgrade"},
    )

    assert answer.status_code == 400
    assert "without the header Upgrade" in answer.json()["error"]
