"""`python -m npu_deliver`: the command line, where the console script is not on the path."""

from npu_deliver.cli import main

main()
