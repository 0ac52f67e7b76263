"""The page of departures agrees with the docstrings."""

from pathlib import Path

from benchmarks.reporting.departures import collect_departures, departures_page, parse_departures

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_up_to_date():
    written = (ROOT / "docs" / "departures.md").read_text(encoding="utf-8")
    assert written == departures_page(ROOT), "run: python -m benchmarks.reporting.departures > docs/departures.md"


def test_every_departure_says_how_to_switch_it():
    switches = ("To switch:", "No switch")
    assert not [
        (file, name) for file, name, text in collect_departures(ROOT) if not any(switch in text for switch in switches)
    ]


def test_every_departs_paragraph_in_the_code_is_collected():
    files = [*ROOT.glob("zoo/*.py"), *ROOT.glob("benchmarks/**/*.py")]
    mentions = sum(
        line.strip().startswith("Departs:")
        for path in files
        if path.name != "departures.py"
        for line in path.read_text(encoding="utf-8").splitlines()
    )
    assert mentions == len(collect_departures(ROOT)) > 10


def test_items_end_at_a_blank_line_or_the_next_item():
    docstring = "Head.\n\nDeparts: one,\n  in two lines.\nDeparts: two.\n\nArgs: none."
    assert parse_departures(docstring) == ["one, in two lines.", "two."]
