"""The types of the functions that fixtures give."""

from collections.abc import Callable
from typing import Any

from httpx2 import Response
from service import Service

Ask = Callable[..., Response]
Overrides = dict[Callable[..., Any], Callable[..., Any]]
RunService = Callable[..., Service]
SetEnvironment = Callable[..., None]
