"""Arbitrary values, for the property tests."""

from typing import Any

from hypothesis import strategies as st

# Everything that JSON can write: NUL, lone surrogates and astral characters too.
any_text = st.text(st.characters(exclude_categories=())) | st.text("x\0 \n😀\ud800", max_size=5)
white_space = st.text(" \t\n\r\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2003\u2028\u3000", max_size=3)
any_json: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=8,
)


def storable(value: Any) -> bool:
    return (
        isinstance(value, str)
        and "\0" not in value
        and not any("\ud800" <= character <= "\udfff" for character in value)
    )
