"""Print a token for the user that USER_ID names (default: demo), valid for an hour.

Signs it with the secret that the front end signs with, the first of BETTER_AUTH_SECRETS or
BETTER_AUTH_SECRET: for curl and Postman, before there is a front end.
"""

import os
import sys
import time

from jose import jwt

from settings import StartupError, get_settings
from tokens.keys import shared_key

LIFETIME_SECONDS = 3600


def main() -> None:
    settings = get_settings()
    try:
        secret = settings.required_secret()
    except StartupError as error:
        sys.exit(str(error))
    user_id = os.environ.get("USER_ID") or "demo"
    now = int(time.time())
    claims = {"sub": user_id, "iat": now, "exp": now + LIFETIME_SECONDS}
    print(jwt.encode(claims, shared_key(secret), algorithm="HS256"))


if __name__ == "__main__":
    main()
