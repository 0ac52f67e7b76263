"""Texts of records take no control of a terminal, a spreadsheet, a Markdown page or a browser."""

import csv
import json
import unicodedata
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from benchmarks.run import main

MEASURED = Path(__file__).resolve().parents[2] / "results" / "measured"
TEXTS = ["\x1b[2J\x1b]0;title\x07", "\x9b31mx", '=HYPERLINK("http://a.b","x")', "[x](javascript:alert(1))",
         "![x](http://a.b/c.png)", "<img src=x onerror=alert(1)>", "\u202ex", "two\nerror: lines", "$\\frac$", "\udcff",
         "@SUM(1)", "-2+3+cmd|' /C calc'!A0", "http://a.b", "`x`", "| x |", r"\input{x}"]  # fmt: skip


class Tags(HTMLParser):
    """Attributes of the tags of a page that load or run something."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found += [(tag, *a) for a in attributes if a[0].startswith("on") or a[0] in ("src", "href")]
        self.found += [(tag,)] if tag == "script" else []


def loaded(page):
    parser = Tags()
    parser.feed(page)
    return {entry for entry in parser.found if not entry[-1].startswith(("data:", "#"))}


def hidden(text):
    return {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - {"\n", "\t"}


@pytest.fixture
def hostile(tmp_path):
    """A function that makes a results folder whose records each have one of `TEXTS` in a field."""

    def make(source, change, texts=TEXTS):
        (tmp_path / "records").mkdir()
        for number, path in enumerate(sorted((MEASURED / source / "records").glob("*.json"))):
            record = json.loads(path.read_text(encoding="utf-8"))
            change(record, texts[number % len(texts)])
            (tmp_path / "records" / path.name).write_text(json.dumps(record), encoding="utf-8")
        return tmp_path

    return make


def put_name(record, text):
    record["preset"] = record["dataset"] = text


def put_label(record, text):
    record["label"] = text
    record["data"]["warnings"] = [text]


def put_failure(record, text):
    record["status"], record["error"] = "failed", {"message": text, "traceback": text}


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("change", [put_name, pytest.param(put_label, marks=pytest.mark.slow), put_failure])
def test_the_text_of_a_record_is_inert(hostile, change, capsys):
    results = hostile("digits-demo", change)
    assert main(["report", "--results", str(results)]) == 0
    assert main(["status", "--results", str(results)]) == 0
    if change is put_label:
        assert main(["table1", "--preset", "demo", "--results", str(results)]) == 0
    output = "".join(capsys.readouterr())
    assert not hidden(output)
    assert not [line for line in output.splitlines() if line.startswith("error: lines")]
    harmless = loaded((MEASURED / "digits" / "report.html").read_text(encoding="utf-8"))
    files = [path for path in results.rglob("*.*") if path.suffix in (".md", ".csv", ".html", ".tex")]
    assert {path.suffix for path in files} >= {".md", ".csv", ".html"}
    for path in files:
        assert path.is_relative_to(results)
        text = path.read_text(encoding="utf-8")
        assert not hidden(text)
        if path.suffix == ".md":
            tokens = MarkdownIt("commonmark").enable("table").parse(text)
            kinds = {child.type for token in tokens if token.children for child in token.children}
            assert kinds <= {"text", "softbreak", "strong_open", "strong_close"}
            assert not [token for token in tokens if token.type == "html_block"]
        if path.suffix == ".csv":
            cells = [cell for row in csv.reader(text.splitlines()) for cell in row]
            assert not [cell for cell in cells if cell.startswith(("=", "@")) or ("cmd" in cell and cell[0] != "'")]
        if path.suffix == ".html":
            assert loaded(text) <= harmless
