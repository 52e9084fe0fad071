"""The direct way to an endpoint.

FastAPI matches a request twice, opens exit stacks, and looks up anew what the endpoint depends on.
A `DirectRoute` looks that up once. It stands before FastAPI's own route, which takes the rest: the
requests that FastAPI alone understands, and the endpoints that FastAPI alone can call.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import fields
from inspect import iscoroutinefunction, signature
from typing import Any, NamedTuple

from fastapi import FastAPI, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.datastructures import URLPath
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Receive, Scope, Send

from errors import ValidationFailed
from routes.body import NOT_JSON, JSONBodyRoute, json_of

JSON = b"application/json"
# What a direct route gives to a call, and what else FastAPI notes of every call.
GIVEN = {"request_param_name", "path_params", "body_params", "dependencies"}
OF_EVERY_CALL = {"name", "call", "path", "scope", "use_cache"}
# A call of which FastAPI notes any of these, such as a query parameter, is left to FastAPI.
UNKNOWN = {field.name for field in fields(Dependant)} - GIVEN - OF_EVERY_CALL


class NotDirect(Exception):
    """FastAPI alone can call the endpoint."""


class Call(NamedTuple):
    """A dependency or the endpoint, and the names of the values that it takes."""

    name: str | None
    function: Callable[..., Awaitable[Any]]
    arguments: tuple[str, ...]

    def on(self, values: dict[str, Any]) -> Awaitable[Any]:
        return self.function(**{name: values[name] for name in self.arguments})


class DirectRoute(BaseRoute):
    """Calls the dependencies in turn, validates the path and the body, and calls the endpoint."""

    def __init__(self, route: RouteContext) -> None:
        """Raises `NotDirect` if a dependency or the endpoint takes anything unknown."""
        self.path, self.path_format = route.path, route.path_format
        self.path_regex, self.methods = route.path_regex, route.methods or set()
        self.dependant = route.dependant
        self._route, self._match = route.original_route, route.matches
        self._path_fields = self.dependant.path_params
        self._body_fields = self.dependant.body_params
        if self._body_fields not in ([], [route.body_field]):
            raise NotDirect  # one body for several parameters
        *self._dependencies, self._endpoint = _calls_of(route)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope.get("method") not in self.methods:
            return Match.NONE, {}
        match, child_scope = self._match(scope)
        if match is Match.NONE or not self._understands(scope):
            return Match.NONE, {}
        return match, {**child_scope, "route": self._route}

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        raise NoMatchFound(name, path_params)  # FastAPI's route tells it

    def _understands(self, scope: Scope) -> bool:
        if scope["app"].dependency_overrides or "fastapi.telemetry" in scope:
            return False
        return not self._body_fields or _content_type_of(scope) in {JSON, None}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        values = {"request": request, **scope["path_params"]}
        for dependency in self._dependencies:
            values[dependency.name] = await dependency.on(values)
        faults = []
        for field in self._path_fields:
            values[field.name], errors = field.validate(
                values[field.name], loc=("path", field.name)
            )
            faults += errors
        for field in self._body_fields:
            sent = await _sent_by(request, field)
            values[field.name], errors = field.validate(sent, loc=("body",))
            faults += errors
        if faults:
            raise RequestValidationError(faults)
        response = await self._endpoint.on(values)
        await response(scope, receive, send)


def direct_routes(app: FastAPI) -> Iterator[DirectRoute]:
    """Make a direct route to each endpoint of a `JSONBodyRoute` that can have one."""
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, JSONBodyRoute):
            with suppress(NotDirect):
                yield DirectRoute(route)


def _calls_of(route: RouteContext) -> Iterator[Call]:
    """Give what FastAPI calls for a request, in its order: the endpoint comes last."""
    known: set[Any] = {None, "request", *route.param_convertors}
    for dependency in _dependencies_of(route.dependant):
        texts = [field.field_info for field in dependency.path_params]
        is_validated = any(text.annotation is not str or text.metadata for text in texts)
        # Of what stands twice, FastAPI keeps two values of a name apart, and calls a function once.
        is_there = known & {dependency.name, dependency.call}
        if is_there or is_validated or dependency.body_params:
            raise NotDirect
        yield _call_of(dependency, known)
        known |= {dependency.name, dependency.call}
    known |= {field.name for field in route.dependant.body_params}
    returned = signature(route.dependant.call).return_annotation
    if not (isinstance(returned, type) and issubclass(returned, Response)):
        raise NotDirect  # FastAPI makes a response of what the endpoint returns
    yield _call_of(route.dependant, known)


def _dependencies_of(dependant: Dependant) -> Iterator[Dependant]:
    for dependency in dependant.dependencies:
        yield from _dependencies_of(dependency)
        yield dependency


def _call_of(dependant: Dependant, known: set[Any]) -> Call:
    function: Any = dependant.call
    arguments = tuple(signature(function).parameters)
    is_coroutine = iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__)
    is_unknown = any(getattr(dependant, name) for name in UNKNOWN)
    if is_unknown or not is_coroutine or not known.issuperset(arguments):
        raise NotDirect
    return Call(dependant.name, function, arguments)


async def _sent_by(request: Request, field: Any) -> Any:
    """Give the body as JSON, or as bytes if it is not sent as JSON; without one, the default."""
    try:
        body = await request.body()
    except ClientDisconnect:
        raise ValidationFailed from None
    if not body:
        info = field.field_info
        if info.is_required():
            return NOT_JSON
        # `field.default` would inspect the factory's signature first.
        return info.default_factory() if info.default_factory else info.default
    return json_of(body) if _content_type_of(request.scope) else body


def _content_type_of(scope: Scope) -> bytes | None:
    return next((value for name, value in scope["headers"] if name == b"content-type"), None)
