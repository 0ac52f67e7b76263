"""A claim in one line."""

import re

from report_pages import ParsedPage

from benchmarks.analysis.claims import CLAIMS


def test_a_summary_has_effect_runs_and_metric(demo_html):
    rows = demo_html.split("All claims at a glance")[-1].split("</table>")[0].split("<tr>")[2:]
    assert len(rows) == len(CLAIMS)
    first, twelfth = (" ".join(ParsedPage(rows[i]).text) for i in (0, 11))
    assert re.search(r"GLF minus RAE \+ GMM = \d\.\d+ +\(95 %: \d\.\d+ to \d\.\d+\)", first)
    assert re.search(r"15\s+used\s+fd_classifier, digits", first)
    assert "counted" in twelfth
    assert "not decidable here" in twelfth
    assert "CIFAR-10: the flow adds less than 3 % with 4 couplings, but not with 8" in twelfth
    assert "claim 12 is counted and needs none" in demo_html
