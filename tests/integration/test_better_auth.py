"""Tokens that the real Better Auth issues, on node, and the service as its operator runs it."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fixtures import RunService
from service import Service
from users import SECRET

pytestmark = pytest.mark.integration

HERE = Path(__file__).parent
READS_UNTIL_LIMITED = 110


class User:
    """A signed-in user's browser."""

    def __init__(self, browser: httpx2.Client, name: str, base_path: str) -> None:
        self.browser = browser
        self.base_path = base_path
        address = f"{name}@example.com"
        sign_up = self.browser.post(
            f"{base_path}/sign-up/email",
            json={"name": name, "email": address, "password": "a-password-of-some-length"},
        )
        assert sign_up.status_code == 200, sign_up.text
        self.id = str(sign_up.json()["user"]["id"])

    def token(self) -> str:
        """What `authClient.token()` gives."""
        answer = self.browser.get(f"{self.base_path}/token")
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])

    def token_of_session(self) -> str:
        """What `authClient.getSession()` gives in a header."""
        answer = self.browser.get(f"{self.base_path}/get-session")
        return str(answer.headers["set-auth-jwt"])

    def cookies(self) -> dict[str, str]:
        return dict(self.browser.cookies)


def open_browser(front_end: str) -> httpx2.Client:
    return httpx2.Client(base_url=front_end, headers={"Origin": front_end}, trust_env=False)


@contextmanager
def better_auth(*, secrets: str = "", **options: Any) -> Iterator[str]:
    """The URL of a Better Auth server; the other `options` are those of front_end.mjs."""
    node = shutil.which("node")
    assert node, "node is missing"
    assert (HERE / "node_modules").is_dir(), "run `make integration`, which installs Better Auth"
    process = subprocess.Popen(
        [node, "front_end.mjs", json.dumps(options)],
        cwd=HERE,
        env={"BETTER_AUTH_SECRET": SECRET, "BETTER_AUTH_SECRETS": secrets},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdout
        try:
            line = process.stdout.readline()
            assert line, "Better Auth did not start"
            yield json.loads(line)["url"]
        finally:
            process.kill()


System = Callable[..., AbstractContextManager[tuple[Service, User, User]]]


@pytest.fixture
def system(run_service: RunService, tmp_path: Path) -> System:
    """A front end of these options, a service that knows its URL, and two users."""

    @contextmanager
    def system(
        environment: dict[str, str] | None = None, **options: Any
    ) -> Iterator[tuple[Service, User, User]]:
        with (
            better_auth(**options) as url,
            run_service(
                BETTER_AUTH_URL=url,
                NEON_DATABASE_URL=f"sqlite:///{tmp_path / 'tasks.db'}",
                **{name: value.format(url=url) for name, value in (environment or {}).items()},
            ) as service,
            open_browser(url) as first,
            open_browser(url) as second,
        ):
            service.wait_until_started()
            base_path = options.get("basePath", "/api/auth")
            yield service, User(first, "alice", base_path), User(second, "bob", base_path)

    return system


def tasks_of(user: User, service: Service, token: str) -> httpx2.Response:
    return service.client.get(f"/api/{user.id}/tasks", headers={"Authorization": f"Bearer {token}"})


def assert_opens_its_users_tasks_alone(
    service: Service, token: str, user: User, other: User
) -> None:
    created = service.client.post(
        f"/api/{user.id}/tasks",
        json={"title": "Buy groceries"},
        headers={"Authorization": f"Bearer {token}"},
    )
    own = tasks_of(user, service, token)
    others = tasks_of(other, service, token)

    assert created.status_code == 201, created.text + service.log()
    assert created.json()["data"]["user_id"] == user.id
    assert own.status_code == 200
    assert own.json()["data"][0] == created.json()["data"]
    assert others.status_code == 403


CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "the default configuration": {},
    "ES256": {"jwtOptions": {"jwks": {"keyPairConfig": {"alg": "ES256"}}}},
    "ES512": {"jwtOptions": {"jwks": {"keyPairConfig": {"alg": "ES512"}}}},
    "RS256": {"jwtOptions": {"jwks": {"keyPairConfig": {"alg": "RS256"}}}},
    "a key for each token": {"jwtOptions": {"jwks": {"rotationInterval": 0.001}}},
    "the shared secret": {"sharedSecret": True},
}


@pytest.mark.parametrize("options", CONFIGURATIONS.values(), ids=list(CONFIGURATIONS))
def test_a_token_opens_its_users_tasks_and_nobody_elses(
    system: System, options: dict[str, Any]
) -> None:
    with system(**options) as (service, alice, bob):
        assert_opens_its_users_tasks_alone(service, alice.token(), alice, bob)
        assert_opens_its_users_tasks_alone(service, bob.token(), bob, alice)
        assert_opens_its_users_tasks_alone(service, alice.token_of_session(), alice, bob)


NEW_SECRET, OLD_SECRET = "a-new-secret-of-at-least-32-bytes", "an-old-secret-of-at-least-32-bytes"


def test_tokens_are_good_before_during_and_after_a_rotation_of_the_secret(system: System) -> None:
    rotating = {
        "BETTER_AUTH_SECRETS": f" 2:{NEW_SECRET} , 1:{OLD_SECRET}",
        "BETTER_AUTH_SECRET": "",
    }

    for secrets in (f"1:{OLD_SECRET}", rotating["BETTER_AUTH_SECRETS"], f"2:{NEW_SECRET}"):
        with system(rotating, secrets=secrets, sharedSecret=True) as (service, alice, bob):
            assert_opens_its_users_tasks_alone(service, alice.token(), alice, bob)


def test_a_token_of_the_new_secret_alone_is_401_where_only_the_old_one_is_known(
    system: System,
) -> None:
    environment = {"BETTER_AUTH_SECRETS": f"1:{OLD_SECRET}"}

    with system(environment, secrets=f"2:{NEW_SECRET},1:{OLD_SECRET}", sharedSecret=True) as (
        service,
        alice,
        _,
    ):
        assert tasks_of(alice, service, alice.token()).status_code == 401
        assert "bad signature" in service.log()


def test_another_base_path_is_a_setting(system: System) -> None:
    environment = {"BETTER_AUTH_JWKS_URL": "{url}/accounts/keys.json"}
    options = {"jwtOptions": {"jwks": {"jwksPath": "/keys.json"}}, "basePath": "/accounts"}

    with system(environment, **options) as (service, alice, bob):
        assert_opens_its_users_tasks_alone(service, alice.token(), alice, bob)


def test_another_issuer_and_audience_are_settings(system: System) -> None:
    environment = {"BETTER_AUTH_ISSUER": "urn:front-end", "BETTER_AUTH_AUDIENCE": "urn:tasks"}
    claims = {"issuer": "urn:front-end", "audience": ["urn:tasks", "urn:others"]}

    with system(environment, jwtOptions={"jwt": claims}) as (service, alice, bob):
        assert_opens_its_users_tasks_alone(service, alice.token(), alice, bob)


def test_a_token_for_another_audience_is_401_and_the_log_says_why(system: System) -> None:
    with system(jwtOptions={"jwt": {"audience": "urn:others"}}) as (service, alice, _):
        refused = tasks_of(alice, service, alice.token())

        assert refused.status_code == 401
        assert "wrong audience: 'urn:others'" in service.log()


def test_ps256_is_401_and_the_log_says_why(system: System) -> None:
    options = {"jwtOptions": {"jwks": {"keyPairConfig": {"alg": "PS256"}}}}

    with system(**options) as (service, alice, _):
        refused = tasks_of(alice, service, alice.token())

        assert refused.status_code == 401
        assert "PS256" in service.log()


@pytest.mark.parametrize(
    ("strategy", "by_key"),
    [("compact", False), ("jwt", False), ("jwt", True), ("jwe", False)],
)
def test_no_cookie_of_a_session_opens_anything(system: System, strategy: str, by_key: bool) -> None:
    options = {
        "session": {"cookieCache": {"enabled": True, "strategy": strategy}},
        "jwtOptions": {"sessionCookieCache": by_key},
    }

    with system(**options) as (service, alice, _):
        cookies = alice.cookies()
        answers = [tasks_of(alice, service, cookie) for cookie in cookies.values()]

        assert set(cookies) == {"better-auth.session_token", "better-auth.session_data"}
        assert [answer.status_code for answer in answers] == [401, 401]
        assert tasks_of(alice, service, alice.token()).status_code == 200


def test_the_sessions_token_is_401_and_the_log_names_what_to_send(system: System) -> None:
    with system() as (service, alice, _):
        session = alice.browser.get("/api/auth/get-session").json()["session"]
        refused = tasks_of(alice, service, session["token"])

        assert refused.status_code == 401
        assert "authClient.token()" in service.log()
        assert session["token"] not in service.log()


def test_a_token_of_an_email_verification_link_opens_nothing(system: System) -> None:
    with system() as (service, alice, bob):
        mailed = alice.browser.get("/mailed-tokens").json()
        answers = [tasks_of(user, service, token) for token in mailed for user in (alice, bob)]

        assert len(mailed) == 2
        assert [answer.status_code for answer in answers] == [401] * 4


def test_while_better_auth_limits_reads_of_its_keys_unknown_ones_are_503(system: System) -> None:
    with system(limited=True) as (service, alice, _):
        token = alice.token()
        reads = [alice.browser.get("/api/auth/jwks") for _ in range(READS_UNTIL_LIMITED)]

        unknown = tasks_of(alice, service, token)

        assert reads[-1].status_code == 429
        assert unknown.status_code == 503
        assert int(unknown.headers["Retry-After"]) > 0
