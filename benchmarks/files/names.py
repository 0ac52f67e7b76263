"""Names from records, options and files as parts of file names. This module loads nothing but `re`."""

import re

MAX_PART = 80  # bytes; file systems allow 255 for a whole name


def file_name(text: str) -> str:
    """A text as a part of a file name. Each run of characters other than ASCII letters, digits and ``.+-_`` becomes _.

    File names are ASCII, because a file with another name cannot be opened where the locale is not UTF-8.
    Names that come from records, options or files reach paths through this function only.
    """
    return re.sub(r"^\.+", "_", re.sub(r"[^\w.+-]+", "_", text, flags=re.ASCII))[:MAX_PART]
