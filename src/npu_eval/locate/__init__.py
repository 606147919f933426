"""Find the operator at which a candidate leaves its reference, and say why.

Every ATen operator of the reference is recorded. The candidate then runs with the reference's values under each of its
operators, so that errors do not accumulate, and each error is held against those that number formats would cause in
that very operator on that very input.

    from npu_eval.locate import locate, ranked

    for finding in ranked(locate(reference, candidate, (image,), candidate_device="npu:0"))[:5]:
        print(finding.module, finding.operator, finding.error, finding.cause, finding.evidence)
"""

from __future__ import annotations

from npu_eval.agreement.levels import CAUSES
from npu_eval.locate.findings import OperatorFinding, excess, ranked
from npu_eval.locate.run import locate, locate_from

__all__ = ["CAUSES", "OperatorFinding", "excess", "locate", "locate_from", "ranked"]
