"""What PostgreSQL and SQLite write differently. The table needs it: it imports nothing of ours."""

from typing import Any

from sqlalchemy import Boolean, DateTime, Text, literal_column, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.functions import FunctionElement

# The condition that `recurrence` is null or one that the API gives. What JSONB cannot hold, and a
# number that Python would not read as an integer, are told by the text.
IS_RECURRENCE = {
    "postgresql": r"CASE WHEN CAST(recurrence AS TEXT) !~ '\\|[0-9][.eE]|[0-9]{5}'"
    " THEN (CAST(recurrence AS JSONB) @@ 'strict $.interval >= 1 && $.interval <= 365"
    ' && ($.pattern == "daily" || $.pattern == "weekly"'
    ' || $.pattern == "monthly" || $.pattern == "yearly")'
    ' && ($.end_date == null || $.end_date like_regex "^[0-9]{4}-[0-9]{2}-[0-9]{2}$")\') IS TRUE'
    " ELSE recurrence IS NULL END",
    "sqlite": "CASE WHEN json_valid(recurrence)"
    " THEN (json_extract(recurrence, '$.pattern') IN ('daily', 'weekly', 'monthly', 'yearly')"
    " AND json_type(recurrence, '$.interval') = 'integer'"
    " AND json_extract(recurrence, '$.interval') BETWEEN 1 AND 365"
    " AND (json_type(recurrence, '$.end_date') = 'null' OR json_extract(recurrence, '$.end_date')"
    " GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]')) IS TRUE ELSE recurrence IS NULL END",
}

# Tells this lock of an owner from other locks of the same database.
OWNER_LOCK = 7_233_710_046


class NoTags(ClauseElement):
    """The server's default of `tags`, which PostgreSQL and SQLite write differently."""


@compiles(NoTags)
def _empty_array(element: NoTags, compiler: object, **options: Any) -> str:
    return "'{}'"


@compiles(NoTags, "sqlite")
def _empty_json(element: NoTags, compiler: object, **options: Any) -> str:
    return "'[]'"


class IsAlone(FunctionElement[bool]):
    """True once no other statement with this condition changes the tasks of the owner: two that
    lock the same rows in different orders would wait for each other. SQLite has one writer.
    """

    type = Boolean()
    inherit_cache = True


@compiles(IsAlone)
def _lock_owner(element: IsAlone, compiler: SQLCompiler, **options: Any) -> str:
    owner = compiler.process(element.clauses, **options)
    # A query of its own is executed once, and before any row is read.
    return f"(SELECT pg_advisory_xact_lock(hashtextextended({owner}, {OWNER_LOCK}))) IS NOT NULL"


@compiles(IsAlone, "sqlite")
def _true(element: IsAlone, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(true(), **options)


class HasTags(FunctionElement[bool]):
    """Whether the first array contains all elements of the second."""

    type = Boolean()
    inherit_cache = True


@compiles(HasTags)
def _contains(element: HasTags, compiler: SQLCompiler, **options: Any) -> str:
    stored, wanted = element.clauses
    return f"{compiler.process(stored, **options)} @> {compiler.process(wanted, **options)}"


@compiles(HasTags, "sqlite")
def _contains_json(element: HasTags, compiler: SQLCompiler, **options: Any) -> str:
    stored, wanted = (compiler.process(clause, **options) for clause in element.clauses)
    return (  # of SQLAlchemy's own words for a column and a bound parameter
        f"NOT EXISTS (SELECT 1 FROM json_each({wanted}) AS wanted WHERE wanted.value NOT IN"  # noqa: S608
        f" (SELECT value FROM json_each({stored})))"
    )


class IsAmong(FunctionElement[bool]):
    """Whether a number is an element of an array."""

    type = Boolean()
    inherit_cache = True


@compiles(IsAmong)
def _equals_any(element: IsAmong, compiler: SQLCompiler, **options: Any) -> str:
    number, numbers = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{number} = ANY (CAST({numbers} AS BIGINT[]))"


@compiles(IsAmong, "sqlite")
def _is_in_json(element: IsAmong, compiler: SQLCompiler, **options: Any) -> str:
    number, numbers = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{number} IN (SELECT value FROM json_each({numbers}))"  # noqa: S608 (as above)


class OfStep(FunctionElement[str]):
    """The text at a key, a constant, of what an object of JSON has at an id; or null."""

    type = Text()
    inherit_cache = True

    def __init__(self, steps: Any, row_id: Any, key: str) -> None:
        super().__init__(steps, row_id, literal_column(key))


@compiles(OfStep)
def _of_jsonb(element: OfStep, compiler: SQLCompiler, **options: Any) -> str:
    steps, row_id, key = (compiler.process(clause, **options) for clause in element.clauses)
    return f"(CAST({steps} AS JSONB) -> CAST({row_id} AS TEXT) ->> '{key}')"


@compiles(OfStep, "sqlite")
def _of_json(element: OfStep, compiler: SQLCompiler, **options: Any) -> str:
    steps, row_id, key = (compiler.process(clause, **options) for clause in element.clauses)
    return f"json_extract({steps}, '$.\"' || {row_id} || '\".{key}')"


class TimeOfText(FunctionElement[Any]):
    """The time that a text is, in UTC and in the form that SQLite's texts have."""

    type = DateTime(timezone=True)
    inherit_cache = True


@compiles(TimeOfText)
def _cast(element: TimeOfText, compiler: SQLCompiler, **options: Any) -> str:
    text = compiler.process(element.clauses, **options)
    return f"CAST({text} || '+00' AS TIMESTAMP WITH TIME ZONE)"


@compiles(TimeOfText, "sqlite")
def _as_it_is(element: TimeOfText, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)
