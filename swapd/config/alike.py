"""Whether two things say the same. Python finds ``1``, ``1.0`` and ``True`` equal; JSON tells them apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def alike(one: object, other: object) -> bool:
    """Equal, and of the same types all the way down. The order of a mapping does not count."""
    return one is other or (one == other and _of_one_type(one, other))


def _of_one_type(one: Any, other: Any) -> bool:
    """Of two that are equal: so are all their parts."""
    if one is other or type(one) is not type(other):
        return one is other
    match one:
        case dict():
            return all(_of_one_type(part, other[key]) for key, part in one.items())
        case list() | tuple():
            return all(map(_of_one_type, one, other))
    names: Iterable[str] = getattr(one, "__struct_fields__", ()) or getattr(one, "__dataclass_fields__", ())
    return all(_of_one_type(getattr(one, name), getattr(other, name)) for name in names)
