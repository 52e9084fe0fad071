"""Read the query parameters: of several under one name the last, and an empty one as absent."""

from collections.abc import Mapping
from typing import Any, TypeVar

from starlette.datastructures import QueryParams

from errors import INVALID, ValidationFailed, validated
from parameters import BulkSelection, Selection, names_of

Parameters = TypeVar("Parameters", bound=Selection)
BULK_NAMES: Mapping[str, str] = {
    name: field_name
    for field_name, field in BulkSelection.model_fields.items()
    for name in names_of(field_name, field)
}


def read(model: type[Parameters], query: QueryParams) -> Parameters:
    given: dict[str, Any] = {name: value for name, value in query.multi_items() if value}
    if tags := [tag for tag in query.getlist("tag") if tag]:
        given["tag"] = tags
    return validated(model, given, "query")


def read_in_full(query: QueryParams) -> BulkSelection:
    """Refuse what the list ignores: other parameters, empty and repeated ones."""
    selection = read(BulkSelection, query)
    given = query.multi_items()
    names = [BULK_NAMES.get(name) for name, _ in given]
    once = [name for name in names if name != "tag"]
    is_empty = any(not value for _, value in given)
    if None in names or len(once) != len(set(once)) or is_empty:
        raise ValidationFailed(INVALID["query", "others"])
    return selection
