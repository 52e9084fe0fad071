"""The app without its direct routes (routes/direct.py): FastAPI answers every request."""

from collections.abc import Iterable

from starlette.routing import BaseRoute

from routes.direct import DirectRoute

# The parameter of the fixture `engine`.
BY_FASTAPI = "sqlite by FastAPI"


def without_direct_routes(routes: Iterable[BaseRoute]) -> list[BaseRoute]:
    return [route for route in routes if not isinstance(route, DirectRoute)]
