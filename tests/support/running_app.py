"""Fixtures that look into the running app, or change its settings."""

import logging
from collections.abc import Callable, Iterator

import pytest

from settings import get_settings


@pytest.fixture
def set_environment() -> Iterator[Callable[..., None]]:
    """Changes settings of the running app: environment variables by name, "" for unset."""

    with pytest.MonkeyPatch.context() as patch:

        def set_environment(**values: str) -> None:
            for name, value in values.items():
                patch.setenv(name, value)
            get_settings.cache_clear()

        yield set_environment
    get_settings.cache_clear()


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """The lines of `tasks.auth`, which is what the log says about tokens."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler = Keep()
    logger = logging.getLogger("tasks.auth")
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)
