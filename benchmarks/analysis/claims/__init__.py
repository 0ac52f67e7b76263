"""The paper's claims as rules that records support, contradict or leave undecided.

`paper_claims` is the list; `distance`, `cost`, `flow_prior_sweep` and `regularized_sweep` hold the tests.  Nothing here
formats a page, reads a file or trains.
"""

from benchmarks.analysis.claims.claim import Claim, ClaimVerdict
from benchmarks.analysis.claims.finding import CONTRADICTED, SUPPORTED, UNDECIDED, Finding
from benchmarks.analysis.claims.paper_claims import CLAIMS, claim_by_number, judge_claims

__all__ = ["CLAIMS", "CONTRADICTED", "SUPPORTED", "UNDECIDED", "Claim", "ClaimVerdict", "Finding", "claim_by_number",
           "judge_claims"]  # fmt: skip
