"""Text of any kind is inert in every format: over all of Unicode, with surrogates and control characters."""

import csv
import io
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pandas import DataFrame
from table_cases import paper_table
from test_formats import NEEDS_PDFLATEX, run_pdflatex

from benchmarks.experiments import records
from benchmarks.printing import escape_terminal_line
from benchmarks.reporting.formats.csv import escape_csv, frame_to_csv
from benchmarks.reporting.formats.html import escape_html
from benchmarks.reporting.formats.latex import escape_latex, to_standalone_latex
from benchmarks.reporting.formats.markdown import escape_markdown, unescape_markdown
from benchmarks.reporting.formats.writer import write_table
from benchmarks.reporting.registry import FORMATS

# All characters, also surrogates and those that no character has; and texts of the signs that formats use.
ANY = st.text(st.characters(), max_size=40)
SIGNS = st.text("\\`*_{}[]()#+-.!|<>&;:/@~$=^\"', \t\n\r\x1b\u202eaZ09xwhtps", max_size=30)
TOKENS = st.lists(
    st.sampled_from(["![", "](", "http://a.b",
                     "www.a.b", "<img src=x>", "&lt;", "[a]:", "- ", "1. ", "# ", "a@b.c", "**",
                     "__", "~~", "`", "|", "\\", "<!--", "-->", "\n", "\x1b[2J", "javascript:", ")", "x",
                     " ", "\ud800"]),
    max_size=12,
).map("".join)  # fmt: skip
TEXT = ANY | SIGNS | TOKENS
COMMONMARK = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def shown(text):
    """What a reader of one line sees."""
    return escape_terminal_line(" ".join(text.split()))


def is_free_of_controls(text):
    return not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in text.replace("\n", ""))


@settings(max_examples=500)
@given(TEXT)
@example("![x](http://a.b/c.png)")
@example("[x]: http://a.b")
@example("1) x")
@example("==")
def test_markdown_shows_the_text_itself(text):
    line = escape_markdown(text)
    assert "\n" not in line
    assert is_free_of_controls(line)
    tokens = COMMONMARK.parse(line)
    inline = [token for token in tokens if token.type == "inline"]
    if not shown(text):
        assert tokens == []
        return
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert {child.type for token in inline for child in token.children} <= {"text", "text_special"}
    assert "".join(child.content for token in inline for child in token.children) == shown(text)


@settings(max_examples=300)
@given(TEXT, TEXT)
def test_a_cell_of_a_markdown_table_shows_the_text_itself(first, second):
    tokens = COMMONMARK.parse(f"| a | b |\n| --- | --- |\n| {escape_markdown(first)} | {escape_markdown(second)} |\n")
    cells = [token for token in tokens if token.type == "inline"]
    assert [token.content for token in cells[:2]] == ["a", "b"]
    texts = ["".join(child.content for child in cell.children) for cell in cells[2:]]
    assert texts == [shown(first), shown(second)]
    assert {child.type for cell in cells for child in cell.children} <= {"text", "text_special"}


@given(TEXT)
def test_markdown_can_be_read_back(text):
    assert unescape_markdown(escape_markdown(text)) == shown(text)


@given(TEXT)
def test_no_cell_of_a_csv_file_is_a_formula_or_has_control_characters(text):
    cell = escape_csv(text)
    assert is_free_of_controls(cell)
    assert "\n" not in cell
    start = cell.lstrip()[:1]
    assert start not in ("=", "@", "＝", "＋", "－", "＠")
    if start in ("+", "-"):
        assert not {*cell} & {*"|!'\"=&*^:;$#"}
        assert cell.lstrip()[1:2].isascii()


@pytest.mark.parametrize(
    "cell", ["-5.6 ± 0.4", "-1.5 ± 0.2 ± 0.1 (2/3) [1 diverged]", "-0.25", "-1e-07", "-inf", "12.0 ± 1.0", "—", ""]
)
def test_numbers_in_csv_stay_as_they_are(cell):
    assert escape_csv(cell) == cell


@pytest.mark.parametrize("cell", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3+cmd|' /C calc'!A0", " =1",
                                  "\t=1", "\r=1",
                                  "-A1", "+1+A1", "-1/HYPERLINK(A1)", "-1 ± 0.1+A1", "＝1", "--1", "-"])  # fmt: skip
def test_formulas_in_csv_become_text(cell):
    assert escape_csv(cell)[0] in "'\\"


@given(st.lists(st.tuples(TEXT, TEXT, st.none() | st.floats(allow_nan=False)), max_size=4), TEXT)
def test_a_frame_keeps_its_rows_and_columns_in_csv(rows, header):
    frame = DataFrame(rows, columns=["x", f"a{header}", "y"])
    table = list(csv.reader(io.StringIO(frame_to_csv(frame), newline="")))
    assert table[0] == ["x", escape_csv(f"a{header}"), "y"]
    assert [row[:2] for row in table[1:]] == [[escape_csv(a), escape_csv(b)] for a, b, _ in rows]
    numbers = [float(row[2]) if row[2] else None for row in table[1:]]
    assert numbers == [number for *_, number in rows]


class Text(HTMLParser):
    """The text and the tags of a page."""

    def __init__(self):
        super().__init__()
        self.text, self.tags = "", []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


@given(TEXT)
def test_html_shows_the_text_itself(text):
    page = Text()
    escaped = escape_html(text)
    page.feed(f'<p title="{escaped}">{escaped}</p>')
    page.close()
    assert [tag for tag, _ in page.tags] == ["p"]
    assert page.text == page.tags[0][1]["title"]
    assert is_free_of_controls(page.text.replace("\t", ""))
    escaped.encode("utf-8")


@given(TEXT)
def test_latex_is_of_characters_that_pdflatex_has(text):
    escaped = escape_latex(text)
    assert escaped.isprintable()
    assert max(escaped, default="") <= "ÿ"


@given(TEXT)
@settings(deadline=None, max_examples=25)
def test_a_table_with_any_name_can_be_written_in_all_formats(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("any")
    table = paper_table("table1", models={"glf": name}, datasets={"mnist": name}, data_warnings={"mnist": (name,)})
    for path in write_table(table, folder, FORMATS):
        assert is_free_of_controls(path.read_text(encoding="utf-8").replace("\t", ""))


@pytest.mark.slow
@NEEDS_PDFLATEX
def test_pdflatex_sets_all_of_unicode(tmp_path):
    r"""A sample of all planes, every character of the first page, and mark-up in words."""
    characters = [chr(code) for code in (*range(0x300), *range(0x300, 0x110000, 4093), *range(0xD800, 0xE000, 511))]
    words = ["".join(characters[i : i + 12]) for i in range(0, len(characters), 12)]
    words += [
        r"\input{/etc/passwd}",
        "^^5cinput",
        "%x",
        "{",
        "}}",
        "$$",
        r"\end{document}",
        "[x]",
        "*",
        "--",
        "?`",
        "<<",
    ]
    table = paper_table("table1", models={"glf": "x"}, data_warnings={"mnist": tuple(words)})
    records.write_text(tmp_path / "all.tex", to_standalone_latex(table, "full"))
    run_pdflatex(tmp_path, "all")
