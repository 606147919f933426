"""SAM 3 as its authors run it, on the network of transformers: what the library does otherwise is corrected, the
authors' own checkpoints are loaded, and words become tokens without a hub.

Travels only with an adapter that names it (`npu_eval.sam3`).
"""
