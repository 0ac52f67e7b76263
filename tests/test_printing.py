"""Any text can be printed on any terminal, and takes no control of it."""

import codecs
import io
import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.progress import Progress, TextColumn
from rich.table import Table
from rich.text import Text

from benchmarks.cli.console import SafeConsole
from benchmarks.printing import ERRORS, escape_terminal, escape_terminal_line, prepare_output, spell_in_ascii

TEXT = st.text(st.characters(), max_size=40) | st.text(
    "\x00\x07\x08\x1b\x9b\r\n\t[]0;mHJK\u202e\u2066\ud800é±", max_size=20
)
HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
ENCODINGS = ("ascii", "latin-1", "cp437", "cp1252", "koi8-r", "shift_jis", "utf-8", "utf-16")


def hidden(text):
    return {c for c in text if unicodedata.category(c) in HIDDEN}


@given(TEXT)
def test_no_control_character_is_left(text):
    assert hidden(escape_terminal(text)) <= {"\n", "\t"}
    assert hidden(escape_terminal_line(text)) == set()


@given(TEXT)
def test_visible_text_stays_as_it_is(text):
    visible = "".join(c for c in text if not hidden(c) or c in "\n\t")
    assert escape_terminal(visible) == visible


@given(TEXT)
def test_escaping_twice_changes_nothing(text):
    for escape in (escape_terminal, escape_terminal_line):
        assert escape(escape(text)) == escape(text)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("user\u202etxt.exe", r"user\u202etxt.exe"),
        ("\udcff", r"\udcff"),
        ("a\rb\x08", r"a\rb\x08"),
        ("\u2028", r"\u2028"),
        ("\U000e0041", r"\U000e0041"),
        ("Fréchet β ± 中 \N{NO-BREAK SPACE}", "Fréchet β ± 中 \N{NO-BREAK SPACE}"),
        ("two\n\tlines", "two\n\tlines"),
    ],
)
def test_control_characters_are_spelled(text, escaped):
    assert escape_terminal(text) == escaped


@pytest.mark.parametrize(
    ("text", "spelled"),
    [("Fréchet", "Frechet"), ("12.5 ± 0.5", "12.5 +/- 0.5"), ("VAE, β = 1", "VAE, beta = 1"), ("8×8", "8x8"),
     ("1–3", "1-3"), ("μ λ Σ", "mu lambda Sigma"), ("10⁴", "10^4"), ("x₂", "x2"), ("≈ ≤ →", "~ <= ->"), ("µs", "us"),
     ("中", r"\u4e2d"), ("🙂", r"\U0001f642"), ("ﬁne", "fine"), ("—", "-"), ("…", "...")],
)  # fmt: skip
def test_signs_are_spelled_in_ascii(text, spelled):
    assert spell_in_ascii(text) == spelled


@given(TEXT)
def test_every_text_has_an_ascii_spelling(text):
    assert spell_in_ascii(text).isascii()


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(text=TEXT)
@example(text="Fréchet ± β × é – 中 \ud800")
def test_every_text_can_be_printed_in_every_encoding(encoding, text):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        patch.setenv("PYTHON_COLORS", "1")
        prepare_output()
        prepare_output()
        print(text, end="")
        sys.stdout.flush()
    printed = stream.buffer.getvalue().decode(encoding)
    assert hidden(printed) <= {"\n", "\t"}
    if encoding.startswith("utf"):
        assert printed == escape_terminal(text)


def test_what_an_encoding_has_is_not_spelled():
    prepare_output()
    assert "é ± β".encode("latin-1", ERRORS) == b"\xe9 \xb1 beta"
    with pytest.raises(UnicodeDecodeError):
        codecs.decode(b"\xff", "ascii", ERRORS)


@given(TEXT)
def test_rich_prints_no_control_character_of_a_text(text):
    """Neither a string, nor the cells of a table, nor a description of a progress bar."""
    file = io.StringIO()
    console = SafeConsole(file=file, width=500)
    table = Table(text, title=Text(text))
    table.add_row(Text(text))
    console.print(table)
    console.print(text, markup=False, soft_wrap=True)
    progress = Progress(TextColumn("{task.description}", markup=False), console=console)
    progress.add_task(text, total=1)
    console.print(progress)
    assert hidden(file.getvalue()) <= {"\n"}


@given(TEXT)
def test_rich_writes_the_same_control_characters_for_all_texts(text):
    """On a terminal: colors are left, which depend on no text."""

    def sequences(cell):
        file = io.StringIO()
        console = SafeConsole(file=file, width=5000, force_terminal=True, color_system="standard", _environ={})
        console.print(Text(cell, style="bold red", overflow="ignore", no_wrap=True), soft_wrap=True)
        return [part for part in file.getvalue().split("\x1b")[1:] if part], hidden(file.getvalue())

    parts, controls = sequences(f"x{escape_terminal_line(text)}")
    assert sequences(f"x{text}".replace("\n", "").replace("\t", ""))[1] <= {"\x1b", "\n"}
    assert controls <= {"\x1b", "\n"}
    assert len(parts) == 2
