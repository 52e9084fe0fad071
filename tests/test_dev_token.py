from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from jose import jwt
from users import SECRET

import dev_token
from settings import get_settings


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """An environment whose settings are read anew."""
    monkeypatch.delenv("USER_ID", raising=False)
    get_settings.cache_clear()
    yield monkeypatch
    get_settings.cache_clear()


@pytest.mark.parametrize(
    ("user_id", "subject"), [(None, "demo"), ("", "demo"), ("user_abc123", "user_abc123")]
)
def test_one_line_is_printed_a_token_that_opens_the_api(
    client: TestClient,
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    user_id: str | None,
    subject: str,
) -> None:
    if user_id is not None:
        environment.setenv("USER_ID", user_id)

    dev_token.main()

    [token] = capsys.readouterr().out.splitlines()
    response = client.get(f"/api/{subject}/tasks", headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 200


@pytest.mark.usefixtures("environment")
def test_the_token_is_good_for_an_hour(capsys: pytest.CaptureFixture[str]) -> None:
    dev_token.main()

    token = capsys.readouterr().out.strip()
    claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    assert claims["exp"] - claims["iat"] == 3600


@pytest.mark.parametrize("beside", [None, SECRET])
def test_the_first_secret_of_a_list_signs(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], beside: str | None
) -> None:
    environment.setenv("BETTER_AUTH_SECRETS", "1:the-first-secret,2:the-second-secret")
    environment.delenv("BETTER_AUTH_SECRET")
    if beside is not None:
        environment.setenv("BETTER_AUTH_SECRET", beside)

    dev_token.main()

    token = capsys.readouterr().out.strip()
    assert jwt.decode(token, "the-first-secret", algorithms=["HS256"])["sub"] == "demo"


@pytest.mark.parametrize(
    "secret", ["-----BEGIN PUBLIC KEY-----", "ssh-rsa AAAA", '{"kty":"oct","k":"c2VjcmV0"}']
)
def test_a_secret_that_looks_like_a_key_is_a_secret_all_the_same(
    client: TestClient,
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    secret: str,
) -> None:
    environment.setenv("BETTER_AUTH_SECRET", secret)

    dev_token.main()

    token = capsys.readouterr().out.strip()
    response = client.get("/api/demo/tasks", headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 200


@pytest.mark.parametrize("secret", [None, "", "your-32-char-secret-here"])
def test_without_a_real_secret_there_is_no_token(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], secret: str | None
) -> None:
    environment.delenv("BETTER_AUTH_SECRET")
    if secret is not None:
        environment.setenv("BETTER_AUTH_SECRET", secret)

    with pytest.raises(SystemExit) as ended:
        dev_token.main()

    assert "BETTER_AUTH_SECRET" in str(ended.value)
    assert capsys.readouterr().out == ""
