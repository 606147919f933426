"""What travels: the code that runs inside the image and inside the submission.

It needs the standard library, numpy, Pillow and torch, and nothing of `npu_deliver`. Modules, low to high:

    errors, jsonio, units               exit codes; strict JSON; how a number is written
    config, records                     what is asked (spec.json); what was found (immutable records)
    stats, stamps, judge, logtext       pure functions from records to statistics, stamps, verdicts and log lines
    weights, download, packaged         a weights file by its reference, fetched and verified
    adapter, adapters/, compare         the seam to a model and `resolve`, the one door to it; numerical agreement
    device, checkpoint, drawing         the device, proven before use; strict loading; predictions on a photo
    provenance, npu_evidence, codehash  under which circumstances, on which hardware and by which code
    session                             what the entry scripts share
    inference, precision, performance   the experiments: each returns one kind of record
"""

import os

# torch loads torch_npu by itself, so a CANN that is not set up would break a bare `import torch` with an unreadable
# error. We import torch_npu ourselves, in `device`, and say what is wrong. This must precede the first import of torch.
os.environ.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")
