"""The checks, one module for each thing that a report speaks about; `catalogue` gathers them."""
