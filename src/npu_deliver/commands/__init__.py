"""The commands of `npu-deliver`, each a part of the line in `pipeline`; `cli` puts them together.

Nothing heavy is imported before a command needs it: `--help` and `verify` load no framework and no engine.
"""
