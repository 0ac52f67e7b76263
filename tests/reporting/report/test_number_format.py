"""Numbers that are printed together have the same decimals."""

import re

from report_pages import section_html

from benchmarks.reporting.report.number_format import format_fixed, format_number, format_together


def test_numbers_that_are_printed_together_have_the_same_decimals():
    assert format_together(3.0941, 4.56) == ["3.09", "4.56"]
    assert format_together(-0.0236, 0.332) == ["−0.024", "0.332"]
    assert format_together(0.0, 12345.6) == ["0", "12346"]
    assert format_together(0.004, 4.56) == ["0.004", "4.560"], "an end that is not zero does not look like it"
    assert format_together(1e-9, 2e-9) == ["1e-09", "2e-09"]


def test_a_number_that_rounds_to_zero_has_no_sign():
    assert format_fixed(-6e-07, 2) == "0.00"
    assert format_number(-0.0) == "0"
    assert format_together(-1e-9, 4.5) == ["0.000000", "4.500000"]


def test_intervals_have_the_decimals_of_their_table(demo_html):
    intervals = re.findall(r">([\d.]+) to ([\d.]+)</td>", section_html(demo_html, "demo-digits", "</table>"))
    assert len(intervals) == 5
    assert {len(end.split(".")[1]) for pair in intervals for end in pair} == {1}
    cell = section_html(demo_html, "demo-digits-glf", "</details>")
    assert re.findall(r'<tr><td class="num">([^<]*)</td>', cell) == ["0", "1", "2"], "seeds are whole numbers"
