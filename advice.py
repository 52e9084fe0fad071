"""What an operator is told at the start: what helps against an error, and what is wrong here.

On a host or in a container, a default that suits a first try is a mistake that nobody sees until
tasks are lost or the front end is refused.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from settings import Settings

CREDENTIALS = "{setting} needs the user and the password that the server knows"
TLS = "sslmode and certificates in {setting} must fit the server"
# Permanent errors by their texts, and what to do about each. A refused connection has no SQLSTATE,
# only the server's text. For a text that is not here, or is in another language, the start retries,
# as for a database that does not answer.
ADVICE = {
    r"password authentication failed|no such user|SASL authentication failed": CREDENTIALS,
    r'role ".*" does not exist|Tenant or user not found': CREDENTIALS,
    r'database ".*" does not exist|no such database': "create it, or correct {setting}",
    r"no pg_hba.conf entry": "the server's pg_hba.conf must let this user in from here",
    r"endpoint could not be found|Endpoint ID is not": "copy {setting} from Neon again",
    r"does not support SSL|certificate verify failed|root certificate file": TLS,
    r"unsupported startup parameter": "take it out of {setting}; PgBouncer refuses it",
    r"statement pooling mode": "set pool_mode = transaction in PgBouncer",
    r"permission denied for schema (?P<schema>.+)": "GRANT USAGE, CREATE ON SCHEMA {schema}"
    " TO {user}",
    r"must be owner of": "run `make migrate` as the owner, or make {user} the owner",
    r"permission denied for (table|sequence) (?P<name>.+)": "GRANT SELECT, INSERT, UPDATE, DELETE"
    " ON {name} TO {user}",
    r"(relation|column) .* does not exist|no such (table|column)": "the tables are marked as"
    " migrated, but lack this: run the version that they were migrated for",
    r'(constraint "ck_tasks_|NOT NULL constraint failed: \w+\.)(?P<name>\w+)': "a row of the table"
    " tasks has no {name}: set it, or delete the row",
    r"no schema has been selected": "the search_path must name a schema that exists",
    r"unable to open database file|readonly database": "this user must be able to write to the"
    " file and to its folder, or {setting} must name a PostgreSQL",
    r"not a database": "{setting} names a file that is not SQLite's",
}

# Variables that hosts set, each documented by its host (docs/operation.md).
HOSTS = {
    "RENDER": "Render",
    "RAILWAY_ENVIRONMENT_NAME": "Railway",
    "RAILWAY_ENVIRONMENT": "Railway",
    "FLY_APP_NAME": "Fly.io",
    "SPACE_ID": "Hugging Face Spaces",
    "VERCEL": "Vercel",
    "K_SERVICE": "Cloud Run",
    "DYNO": "Heroku",
    "KUBERNETES_SERVICE_HOST": "Kubernetes",
}
# Files that Docker and Podman put into every container.
CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104


def on_error(reason: str, user: str | None, setting: str) -> str | None:
    """Say what to do about a permanent error. None if the error may be transient."""
    for pattern, advice in ADVICE.items():
        found = re.search(pattern, reason)
        if found:
            return advice.format(**found.groupdict(), user=user, setting=setting)
    return None


def place() -> str | None:
    """Name the host, or the container, that runs this process. None on somebody's own machine."""
    names = (name for variable, name in HOSTS.items() if os.environ.get(variable))
    return next(names, "a container" if any(map(Path.exists, CONTAINER_MARKS)) else None)


def misplaced_defaults(settings: Settings) -> Iterator[str]:
    """Say which settings are still those of a first try, if this is no place for one."""
    where = place()
    if not where:
        return
    if settings.database_is_default:
        yield (
            f"This is {where}, whose files are lost with the next deployment, and tasks are kept in"
            " one: set NEON_DATABASE_URL (or DATABASE_URL) to a PostgreSQL"
        )
    if urlsplit(settings.better_auth_url).hostname in LOCAL_HOSTS:
        yield (
            f"This is {where}, and BETTER_AUTH_URL still says {settings.better_auth_url}: users of"
            " a front end at another address are refused; set it to the one that browsers open"
        )
