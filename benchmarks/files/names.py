"""Names from records, options and files as parts of file names. This module loads nothing but `re`."""

import re

MAX_PART = 80  # bytes; file systems allow 255 for a whole name


def file_name(text: str) -> str:
    """A text as a part of a file name: signs other than letters, digits and .+- become _, and the length is bounded.

    Names that come from records, options or files reach paths through this function only.
    """
    name = re.sub(r"^\.+", "_", re.sub(r"[^\w.+-]+", "_", text))
    return name.encode()[:MAX_PART].decode(errors="ignore")
