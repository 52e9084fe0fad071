"""Which endpoints have a direct route, and that FastAPI answers for all others as ever.

That both ways answer alike is shown by the tests that run on each (`layers.BY_FASTAPI_TOO`).
"""

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import pytest
from endpoints import ENDPOINTS, JSON, TASKS
from fastapi import APIRouter, Depends, FastAPI, Path, Request, Response
from fastapi.testclient import TestClient
from users import OWNER, bearer

import main
from auth import CurrentUser, User, get_current_user
from errors import EXCEPTION_HANDLERS
from routes.body import JSONBodyRoute
from routes.direct import DirectRoute, direct_routes
from schemas import TaskCompletion

NOTES = f"/api/{OWNER}/notes"


def app_with(endpoint: Callable[..., Any], **options: Any) -> FastAPI:
    router = APIRouter(route_class=JSONBodyRoute)
    router.add_api_route("/api/{user_id}/notes", endpoint, methods=["POST"])
    app = FastAPI(exception_handlers=EXCEPTION_HANDLERS)
    app.include_router(router, **options)
    app.router.routes[:0] = direct_routes(app)
    return app


def way_of(request: Request) -> Response:
    """Say who called the endpoint: FastAPI leaves a stack of contexts in the scope."""
    return Response("FastAPI" if "fastapi_inner_astack" in request.scope else "a direct route")


async def note(request: Request, user: CurrentUser, body: TaskCompletion) -> Response:
    return way_of(request)


async def open_note(request: Request) -> Response:
    return way_of(request)


# --- what FastAPI alone can call ---


async def in_a_coroutine(caller: CurrentUser) -> User:
    return caller


async def with_a_query(request: Request, user: CurrentUser, colour: str = "red") -> Response:
    return way_of(request)


async def with_a_query_of_a_dependencys_name(
    request: Request, user: Annotated[User, Depends(in_a_coroutine)], caller: str = "somebody"
) -> Response:
    return way_of(request)


async def with_another_name_of_the_request(asked: Request, user: CurrentUser) -> Response:
    return way_of(asked)


async def with_a_number(user_id: Annotated[str, Path(max_length=50)], caller: CurrentUser) -> User:
    return caller


async def with_a_validated_path(
    request: Request, user: Annotated[User, Depends(with_a_number)]
) -> Response:
    return way_of(request)


def in_a_thread(caller: CurrentUser) -> User:
    return caller


async def with_a_thread(request: Request, user: Annotated[User, Depends(in_a_thread)]) -> Response:
    return way_of(request)


async def until_the_end(caller: CurrentUser) -> AsyncIterator[User]:
    yield caller


async def with_a_generator(
    request: Request, user: Annotated[User, Depends(until_the_end)]
) -> Response:
    return way_of(request)


async def with_a_name_of_the_path(request: Request, user_id: CurrentUser) -> Response:
    return way_of(request)


async def with_a_dependency_twice(
    request: Request, one: CurrentUser, other: CurrentUser
) -> Response:
    return way_of(request)


async def with_a_body(caller: TaskCompletion) -> TaskCompletion:
    return caller


async def with_the_body_of_a_dependency(
    request: Request,
    caller: CurrentUser,
    body: Annotated[TaskCompletion, Depends(with_a_body)],
) -> Response:
    return way_of(request)


async def with_two_values_in_a_body(
    request: Request, user: CurrentUser, one: TaskCompletion, other: TaskCompletion
) -> Response:
    return way_of(request)


async def with_a_response_to_fill(
    request: Request, user: CurrentUser, response: Response
) -> Response:
    return way_of(request)


def with_nothing_to_wait_for(request: Request, user: CurrentUser) -> Response:
    return way_of(request)


async def without_a_response(request: Request, user: CurrentUser) -> str:
    return bytes(way_of(request).body).decode()


def test_every_endpoint_of_tasks_has_a_direct_route() -> None:
    direct = [route for route in main.app.routes if isinstance(route, DirectRoute)]

    assert {(method, route.path_format) for route in direct for method in route.methods} == {
        (endpoint.method, endpoint.path) for endpoint in ENDPOINTS
    }


def test_a_route_is_found_by_its_name() -> None:
    path = main.app.url_path_for("get_task", user_id=OWNER, task_id="1")

    assert path == f"{TASKS}/1"


def test_a_direct_route_asks_who_is_calling() -> None:
    client = TestClient(app_with(note))

    answer = client.post(NOTES, json={}, headers=bearer())
    refused = client.post(NOTES, json={})

    assert (answer.status_code, answer.text) == (200, "a direct route")
    assert refused.status_code == 401


@pytest.mark.parametrize(
    "endpoint",
    [
        with_a_query,
        with_a_query_of_a_dependencys_name,
        with_another_name_of_the_request,
        with_a_validated_path,
        with_a_thread,
        with_a_generator,
        with_a_name_of_the_path,
        with_a_dependency_twice,
        with_the_body_of_a_dependency,
        with_two_values_in_a_body,
        with_a_response_to_fill,
        with_nothing_to_wait_for,
        without_a_response,
    ],
)
def test_what_fastapi_alone_can_call_it_calls_and_asks_who_is_calling(
    endpoint: Callable[..., Any],
) -> None:
    client = TestClient(app_with(endpoint))
    body: dict[str, Any] = {"one": {}, "other": {}}

    answer = client.post(NOTES, json=body, headers=bearer())
    refused = client.post(NOTES, json=body)

    assert (answer.status_code, answer.text.strip('"')) == (200, "FastAPI")
    assert refused.status_code == 401


def test_what_an_inclusion_depends_on_stays() -> None:
    client = TestClient(app_with(open_note, dependencies=[Depends(get_current_user)]))

    answer = client.post(NOTES, headers=bearer())
    refused = client.post(NOTES)

    assert (answer.status_code, answer.text) == (200, "FastAPI")
    assert refused.status_code == 401


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "text/plain"])
def test_fastapi_answers_where_the_media_type_is_to_be_parsed(content_type: str) -> None:
    client = TestClient(app_with(note))

    ways = [
        client.post(NOTES, content="{}", headers={**bearer(), "Content-Type": sent}).text
        for sent in (JSON["Content-Type"], content_type)
    ]

    assert ways[0] == "a direct route"
    assert ways[1] != "a direct route"


def test_fastapi_answers_where_a_dependency_is_overridden() -> None:
    app = app_with(note)
    app.dependency_overrides[get_current_user] = lambda: {"id": OWNER, "email": None}

    answer = TestClient(app).post(NOTES, json={})

    assert (answer.status_code, answer.text) == (200, "FastAPI")
