"""What the log says of a front end's mistakes: another origin, a path that is not there."""

from pathlib import Path

import pytest
from fixtures import RunService

# --- at the start ---


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        (
            {},
            "Tokens: issued by 'http://localhost:3000', whose keys are at"
            " http://localhost:3000/api/auth/jwks, or HS256 with the shared secret."
            " Origins: http://localhost:3000",
        ),
        (
            {
                "BETTER_AUTH_URL": "https://app.example",
                "BETTER_AUTH_ISSUER": "app",
                "BETTER_AUTH_JWKS_URL": "http://front-end:3000/jwks",
                "CORS_ORIGINS": "https://a.example,https://b.example",
            },
            "Tokens: issued by 'app', whose keys are at http://front-end:3000/jwks, or HS256 with"
            " the shared secret. Origins: https://a.example, https://b.example",
        ),
    ],
)
def test_the_start_says_whose_tokens_and_which_origins_are_let_in(
    run_service: RunService, tmp_path: Path, environment: dict[str, str], line: str
) -> None:
    url = f"sqlite:///{tmp_path / 'tasks.db'}"
    with run_service(NEON_DATABASE_URL=url, **environment) as service:
        service.wait_until_started()

    assert [
        text for text in service.log().splitlines() if text.endswith(f"INFO tasks.settings {line}")
    ]
