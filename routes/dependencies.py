"""What endpoints depend on: whose tasks a request reaches, a task's id, `Idempotency-Key`."""

import re
from typing import Annotated
from urllib.parse import unquote

from fastapi import Depends, Path, Request
from sqlmodel import Session
from starlette.convertors import StringConvertor, register_url_convertor

from auth import CurrentUser, verify_user_access
from database import GetExecutor
from driver.executors import EngineExecutor, Executor, SessionExecutor
from errors import INVALID, ValidationFailed
from models import IDEMPOTENCY_KEY_MAX
from openapi import TASK
from queries import OwnTasks
from schemas import TaskId


async def get_executor(
    given: Annotated[EngineExecutor | Session, Depends(GetExecutor())],
) -> Executor:
    """Give what executes statements on the engine, or in the session of an override of `get_db`."""
    return given if isinstance(given, EngineExecutor) else SessionExecutor(given)


GivenExecutor = Annotated[Executor, Depends(get_executor)]


async def own_tasks(
    user_id: Annotated[
        str,
        Path(
            description="The token's `sub`.", openapi_examples={"user": {"value": TASK["user_id"]}}
        ),
    ],
    current_user: CurrentUser,
    executor: GivenExecutor,
) -> OwnTasks:
    """The only tasks that a request can reach: those of the token's user."""
    verify_user_access(unquote(user_id), current_user)
    return OwnTasks(current_user["id"], executor)


Tasks = Annotated[OwnTasks, Depends(own_tasks)]


class TaskIdConvertor(StringConvertor):
    """Any text but the names of fixed paths, so that another method there is a 405."""

    regex = "(?!(?:stats|complete)$)[^/]+"


register_url_convertor("task_id", TaskIdConvertor())
PathId = Annotated[TaskId, Path(openapi_examples={"id": {"value": TASK["id"]}})]

VISIBLE_ASCII = re.compile(rf"[!-~]{{1,{IDEMPOTENCY_KEY_MAX}}}")
IDEMPOTENCY_KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Makes the request safe to be sent again: the same key and task make no second"
    " task. A UUID, for example.",
    "schema": {"type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_MAX},
}


def idempotency_key_of(request: Request) -> str | None:
    """Read the key of a request that may be sent again. It is judged after the body."""
    sent = request.headers.getlist("idempotency-key")
    if not sent:
        return None
    key = sent[0].strip(" \t")
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if len(sent) > 1 or not VISIBLE_ASCII.fullmatch(key):
        raise ValidationFailed(INVALID["header", "idempotency-key"])
    return key
