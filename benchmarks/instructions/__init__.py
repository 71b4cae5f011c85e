"""Instruction counts of the kernels on made-up inputs, beside the figures that are committed."""
