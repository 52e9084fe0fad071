"""The types of the functions that fixtures give."""

from collections.abc import Callable

from httpx2 import Response
from service import Service

Ask = Callable[..., Response]
RunService = Callable[..., Service]
SetEnvironment = Callable[..., None]
