"""The service under other servers than uvicorn's own: they keep their lines in the log."""

from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
from endpoints import TASKS
from ports import free_port
from processes import start_python
from users import SECRET, bearer
from waiting import eventually

START_SECONDS = 30
SERVERS = {
    "gunicorn": (
        *("-m", "gunicorn", "main:app", "-k", "uvicorn_worker.UvicornWorker"),
        *("--access-logfile", "-"),
    ),
    "hypercorn": ("-m", "hypercorn", "main:app", "--access-logfile", "-"),
}
# Which each writes when it is ready.
READY = {"gunicorn": "Booting worker with pid", "hypercorn": "Running on http://127.0.0.1"}


@pytest.mark.parametrize("server", SERVERS)
def test_other_servers_run_the_service_and_print_their_own_lines(
    app_folder: Path, server: str
) -> None:
    port = free_port()
    process = start_python(
        app_folder, *SERVERS[server], "-b", f"127.0.0.1:{port}", BETTER_AUTH_SECRET=SECRET
    )
    with process, httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:

        def answers() -> bool:
            assert process.poll() is None
            with suppress(httpx2.TransportError):
                return client.get("/health").status_code == 200
            return False

        try:
            eventually("an answer", answers, seconds=START_SECONDS)
            created = client.post(TASKS, json={"title": "Buy groceries"}, headers=bearer())
        finally:
            process.terminate()
            log = "".join(process.communicate())

    assert created.status_code == 201
    assert READY[server] in log
    assert "POST /api/{user_id}/tasks 201" in log
    assert "Logging error" not in log
    assert "Traceback" not in log
