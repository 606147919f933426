"""What torch_npu, CANN and npu-smi say of themselves. Standard library only."""
