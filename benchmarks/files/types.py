"""Types that several kinds of files share."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

MAX_INTEGER = 2**63 - 1  # of a column of integers
MAX_DEPTH = 20  # of nested values in free-form settings

Count = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
Seconds = Annotated[float, Meta(ge=0)]
Number = float | None  # null: not finite, or not measured
Key = Annotated[str, Meta(pattern=r"^[0-9A-Za-z_-]{1,64}$(?!\n)", description="hash that names a run or an evaluation")]
# The first sign is no dot, dash or space; no sign is a slash or a control sign. `$` alone would allow a newline.
NAME = r"^[^\s/\\.\x00-\x1f\x7f-\x9f-][^/\\\x00-\x1f\x7f-\x9f\u2028\u2029]*$(?!\n)"
Name = Annotated[str, Meta(pattern=NAME, max_length=200, description="a name without slashes and control signs")]


class FileStruct(msgspec.Struct, kw_only=True, frozen=True):
    """A JSON object. Fields that it does not define are ignored."""


def check_depth(value: Any, depth: int = MAX_DEPTH) -> None:
    """Raise ValueError if lists and objects are nested more deeply than `depth`."""
    if isinstance(value, dict | list):
        if not depth:
            raise ValueError(f"settings are nested more than {MAX_DEPTH} levels deep")
        for item in value.values() if isinstance(value, dict) else value:
            check_depth(item, depth - 1)
