"""Variables that not the settings read, but the server and the libraries."""

from pathlib import Path

import httpx2
import pytest
from answers import assert_opened, assert_unavailable
from authority import Authority
from endpoints import ORIGIN, TASKS
from fixtures import RunService
from key_server import KeyServer
from service import Server, Service
from signing import make_key
from users import OWNER

# As docs/operation.md starts the service, and names no number of workers.
UVICORN_ALONE = Server(
    "uvicorn main:app --port {port}", "Uvicorn running on", "Application startup complete."
)


def ask(service: Service, server: KeyServer) -> httpx2.Response:
    token = server.token(make_key(), OWNER)
    headers = {"Authorization": f"Bearer {token}", "Origin": ORIGIN}
    return service.wait_until_started().client.get(TASKS, headers=headers)


@pytest.mark.parametrize("trusts", [True, False])
def test_a_key_server_of_a_private_authority_needs_ssl_cert_file(
    run_service: RunService, tmp_path: Path, *, trusts: bool
) -> None:
    authority = Authority(tmp_path)
    trust = {"SSL_CERT_FILE": str(authority.certificate)} if trusts else {}

    with (
        KeyServer(make_key(), tls=authority.server_context()) as server,
        run_service(
            NEON_DATABASE_URL=f"sqlite:///{tmp_path / 'tasks.db'}",
            BETTER_AUTH_URL=server.origin,
            CORS_ORIGINS=ORIGIN,
            **trust,
        ) as service,
    ):
        answer = ask(service, server)

    if trusts:
        assert_opened(answer)
    else:
        assert_unavailable(answer)
        assert "CERTIFICATE_VERIFY_FAILED" in service.log()
        assert server.fetches == 0


def test_web_concurrency_is_the_number_of_workers(run_service: RunService, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tasks.db'}"

    with run_service(
        server=UVICORN_ALONE, workers=3, NEON_DATABASE_URL=url, WEB_CONCURRENCY="3"
    ) as service:
        workers = service.wait_until_started().worker_ids()

    assert len(set(workers)) == 3
