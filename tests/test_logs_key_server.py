"""What a key server sends, in the log."""

from http.server import BaseHTTPRequestHandler
from itertools import product
from pathlib import Path

from fixtures import RunService
from key_server import KeyServer
from signing import make_key
from users import OWNER


def has_no_status_line(server: KeyServer, handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"x" * 50_000 + b"\r\n\r\n")
    handler.close_connection = True


def test_a_key_server_cannot_write_lines_into_the_log(
    run_service: RunService, tmp_path: Path
) -> None:
    forged = f"x\n2001-01-01T00:00:00.000Z INFO tasks.requests forged\r\x1b[2K\u2028{'x' * 3000}"
    names = ("alg", "kty", "crv", "use", "kid", "x")

    with (
        KeyServer() as server,
        run_service(
            NEON_DATABASE_URL=f"sqlite:///{tmp_path / 'tasks.db'}", BETTER_AUTH_URL=server.origin
        ) as service,
    ):
        service.wait_until_started()
        for number, (name, value) in enumerate(product(names, (forged, [forged]))):
            good = make_key(kid=f"key-{number}")
            server.keys = [{**make_key().jwk, name: value}, good.jwk]
            headers = {"Authorization": f"Bearer {server.token(good, OWNER)}"}
            service.client.get(f"/api/{OWNER}/tasks", headers=headers)
        server.mood = has_no_status_line
        service.client.get(
            f"/api/{OWNER}/tasks",
            headers={"Authorization": f"Bearer {server.token(make_key(kid=forged), OWNER)}"},
        )
        log = service.log()

    assert log.count("Cannot use 1 of the 2 keys of the key server") == 10  # all but the two kid
    assert "illegal status line" in log
    assert not [line for line in log.splitlines() if line.startswith("2001-01-01T00:00:00.000Z")]
    assert not set("\r\x1b\u2028") & set(log)
    assert max(map(len, log.splitlines())) < 500


def test_keys_that_cannot_be_used_are_one_line_for_each_fetch(
    run_service: RunService, tmp_path: Path
) -> None:
    with (
        KeyServer(make_key()) as server,
        run_service(
            NEON_DATABASE_URL=f"sqlite:///{tmp_path / 'tasks.db'}", BETTER_AUTH_URL=server.origin
        ) as service,
    ):
        service.wait_until_started()
        server.keys += [{"kid": "x", "kty": "none"}, None] * 5000
        headers = {"Authorization": f"Bearer {server.token(make_key(), OWNER)}"}
        status = service.client.get(f"/api/{OWNER}/tasks", headers=headers).status_code
        log = service.log()

    assert status == 200
    [line] = [line for line in log.splitlines() if "tasks.keys" in line]
    assert "Cannot use 10000 of the 10001 keys of the key server" in line
