"""The HTML report: one file that shows which of the paper's claims hold, and how to rerun every number.

`page` writes it.  The other modules collect plain values; only `report.html`, `charts` and `dot_strip` produce markup.
Nothing here trains a model or uses a network.
"""

from benchmarks.reporting.report.page import write_report

__all__ = ["write_report"]
