"""The service under other servers than uvicorn's own: they keep their lines in the log."""

import re
from pathlib import Path

import pytest
from endpoints import TASKS
from fixtures import RunService
from service import GUNICORN, HYPERCORN, Server
from users import bearer

STOP_SECONDS = 30


@pytest.mark.parametrize("server", [GUNICORN, HYPERCORN], ids=["gunicorn", "hypercorn"])
def test_other_servers_run_the_service_and_print_their_own_lines_once(
    run_service: RunService, tmp_path: Path, server: Server
) -> None:
    url = f"sqlite:///{tmp_path / 'tasks.db'}"

    with run_service("--access-logfile", "-", server=server, NEON_DATABASE_URL=url) as service:
        service.wait_until_started()
        created = service.client.post(TASKS, json={"title": "Buy groceries"}, headers=bearer())
        service.process.terminate()
        service.process.wait(timeout=STOP_SECONDS)

    log = service.log()
    assert created.status_code == 201
    assert "POST /api/{user_id}/tasks 201" in log
    assert not re.search("Logging error|Traceback|ERROR", log)
    own_lines = re.findall(rf"\[\d+\] \[INFO\] {server.listens}", log)
    assert len(own_lines) == log.count(server.listens) == 1
