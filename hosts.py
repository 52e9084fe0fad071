"""Where the service runs: hosts and containers, which mark the process in its environment.

There, a default that suits a first try is a mistake that nobody sees until tasks are lost or the
front end is refused.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from settings import Settings

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
