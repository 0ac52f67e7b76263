"""The paper's claims as rules that records support or contradict, or that stay open.

An open claim is not tested (runs are missing), inconclusive (the tests do not decide, more runs might), or not
decidable here (no command on these data and this budget decides it).  `paper_claims` is the list; `distance`, `cost`,
`flow_prior_sweep` and `regularized_sweep` hold the tests.  Nothing here formats a page, reads a file or trains.
"""

from benchmarks.analysis.claims.claim import Claim, ClaimVerdict
from benchmarks.analysis.claims.finding import (
    ANSWERS,
    CONTRADICTED,
    INCONCLUSIVE,
    NOT_DECIDABLE,
    NOT_TESTED,
    OPEN_ANSWERS,
    SUPPORTED,
    Finding,
)
from benchmarks.analysis.claims.paper_claims import CLAIMS, claim_by_number, judge_claims

__all__ = ["ANSWERS", "CLAIMS", "CONTRADICTED", "INCONCLUSIVE", "NOT_DECIDABLE", "NOT_TESTED", "OPEN_ANSWERS",
           "SUPPORTED", "Claim", "ClaimVerdict", "Finding", "claim_by_number", "judge_claims"]  # fmt: skip
