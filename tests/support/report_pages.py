"""Results folders with committed records, and the pages that reports of them are."""

import json
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from benchmarks.reporting.report import write_report

MEASURED = Path(__file__).resolve().parents[2] / "results" / "measured"


def results_folder(parent: Path, *names: str, subfolders: tuple[str, ...] = ("records", "figures")) -> Path:
    """A results folder with the committed records and figures of some others, or other subfolders of theirs."""
    results = parent / "results"
    for subfolder in subfolders:
        (results / subfolder).mkdir(parents=True)
        for name in names:
            for file in (MEASURED / name / subfolder).glob("*"):
                if "samples-digits.png" not in file.name:
                    shutil.copy(file, results / subfolder)
    return results


def read_records(results: Path) -> dict[Path, dict[str, Any]]:
    """Path -> record, in the order of the paths."""
    paths = sorted((results / "records").glob("*.json"))
    return {path: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def edit_records(results: Path, edit: Callable[[int, dict[str, Any]], None]) -> None:
    """Change every record of a folder; the function takes its number and the record."""
    for i, (path, record) in enumerate(read_records(results).items()):
        edit(i, record)
        path.write_text(json.dumps(record), encoding="utf-8")


def remove_runs(results: Path, is_removed: Callable[[str, int], bool]) -> None:
    """Remove records by model and seed."""
    for path, record in read_records(results).items():
        if is_removed(record["model"], record["seed"]):
            path.unlink()


def report_html(results: Path) -> str:
    """Write the report and return its page."""
    return write_report(results)[-1].read_text(encoding="utf-8")


def section_html(html: str, element_id: str, end: str) -> str:
    """The part of a page from an element to an end tag."""
    return html.split(f'id="{element_id}"')[1].split(end)[0]


def cell_text(html: str, element_id: str) -> str:
    """The details of one cell, as text."""
    return " ".join(ParsedPage(section_html(html, element_id, "</details>")).text)


class ParsedPage(HTMLParser):
    """What a page refers to, and its text.  A script or style in an attribute is an error."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.text: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.content_policy = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "meta" and dict(attrs).get("http-equiv") == "Content-Security-Policy":
            self.content_policy = dict(attrs)["content"] or ""
        for name, value in attrs:
            if name in ("src", "href", "srcset", "data", "action", "poster"):
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            assert not name.startswith("on"), "a script in an attribute"
            assert name != "style", "the content policy forbids it"

    def handle_data(self, data: str) -> None:
        self.text.append(data)
