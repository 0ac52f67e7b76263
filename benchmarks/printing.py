"""Print any text on any terminal and into any log.

Every program calls `prepare_output` first. After that, control characters in printed text are escaped, and characters
that the terminal or log cannot encode are spelled in ASCII.
"""

from __future__ import annotations

import codecs
import os
import sys
import unicodedata
from typing import Any, TextIO

ERRORS = "ae_bench_ascii"  # the error handler of sys.stdout and sys.stderr
HIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # controls, marks of direction, lone surrogates, line separators

# Characters of our own texts whose NFKD form is not their ASCII spelling.
SPELLINGS = {
    "±": "+/-", "×": "x", "·": "*", "−": "-", "≤": "<=", "≥": ">=", "≈": "~", "≠": "!=", "→": "->", "∞": "inf",
    "–": "-", "—": "-", "…": "...", "“": '"', "”": '"', "‘": "'", "’": "'", "µ": "u", "½": "1/2", "°": " deg",
    "ß": "ss", "æ": "ae", "ø": "o", "ł": "l", "•": "*", "√": "sqrt", "\N{NO-BREAK SPACE}": " ",
}  # fmt: skip


class _Escapes(dict[int, str]):
    """A table for `str.translate`, filled as characters are met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        is_hidden = unicodedata.category(character) in HIDDEN_CATEGORIES
        self[code] = ascii(character)[1:-1] if is_hidden else character
        return self[code]


_LINE = _Escapes()
_TEXT = _Escapes({ord("\t"): "\t"})


def escape_terminal(text: str) -> str:
    r"""Text without control characters except newline and tab: the others are spelled, such as ``\x1b``.

    These include escape sequences, C1 controls and marks that reverse the direction of writing. Lone surrogates are
    also escaped: they stand for bytes of a file name that are not valid text.
    """
    # By line, because most lines of a long page are printable, and `isprintable` is faster than `translate`
    return "\n".join(line if line.isprintable() else line.translate(_TEXT) for line in text.split("\n"))


def escape_terminal_line(text: str) -> str:
    """As `escape_terminal`, for a name that must not begin a new line: newline and tab are spelled, too."""
    return text if text.isprintable() else text.translate(_LINE)


def escape_figure_text(text: str) -> str:
    """Text for a figure of matplotlib, which would typeset text between two dollar signs as a formula."""
    return escape_terminal_line(text).replace("$", r"\$")


def spell_in_ascii(text: str) -> str:
    r"""An ASCII spelling: "+/-" for ±, "beta" for β, "e" for é, and ``\u4e2d`` for a character without one."""
    return "".join(map(_spell, text))


def _spell(character: str) -> str:
    if character.isascii():
        return character
    if character in SPELLINGS:
        return SPELLINGS[character]
    script, _, name = unicodedata.name(character, "").partition(" ")
    if script == "GREEK" and " LETTER " in f" {name} " and " WITH " not in name:
        letter = name.split()[-1].replace("LAMDA", "LAMBDA").lower()  # Unicode spells lambda without its b
        return letter if character.islower() else letter.capitalize()
    # An accent is dropped from an ASCII letter; a ligature or a wide letter is written out.
    plain = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
    if plain and plain.isascii():
        return f"^{plain}" if unicodedata.decomposition(character).startswith("<super>") else plain
    return character.encode("ascii", "backslashreplace").decode("ascii")


def _spell_unencodable(error: UnicodeError) -> tuple[str, int]:
    """The error handler `ERRORS` of codecs."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return spell_in_ascii(error.object[error.start : error.end]), error.end


class _SafeStream:
    """A text stream that escapes what is written to it. Everything else is done by the stream itself."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write text, escaped; returns its length."""
        self.stream.write(escape_terminal(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write all lines, escaped."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def prepare_output() -> None:
    """Make sys.stdout and sys.stderr accept any text, for the rest of this process. A second call changes nothing.

    Their encoding stays as it is. Progress bars, which need control characters, are written to `terminal_stream`.
    """
    codecs.register_error(ERRORS, _spell_unencodable)
    os.environ["PYTHON_COLORS"] = "0"  # Python 3.13 colors tracebacks, and 3.14 the help, by control characters
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or isinstance(stream, _SafeStream):
            continue
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=ERRORS)
        setattr(sys, name, _SafeStream(stream))


def terminal_stream() -> TextIO | None:
    """The stream behind sys.stdout, for a writer that escapes texts itself and moves the cursor."""
    stream = sys.stdout
    return stream.stream if isinstance(stream, _SafeStream) else stream
