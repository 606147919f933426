"""What travels: the code that runs inside the image and inside the submission.

It needs the standard library, numpy and torch, and nothing of `npu_deliver`. Modules, low to high:

    errors, jsonio, units      exit codes; strict JSON; how a number is written
    config, records            what is asked (spec.json); what was found (immutable records)
    stats, judge, logtext      pure functions from records to statistics, verdicts and log lines
    device, compare, weights   the device that is proven before use; numerical agreement; checkpoints
    adapter, adapters/         the seam to a model, and `resolve`, the one door to it
    provenance                 versions, hardware and settings under which a number came to be
    inference, precision, performance   the experiments: each returns one kind of record
    session                    what the entry scripts share
"""

import os

# torch loads torch_npu by itself, so a CANN that is not set up would break a bare `import torch` with an unreadable
# error. We import torch_npu ourselves, in `device`, and say what is wrong. This must precede the first import of torch.
os.environ.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")
