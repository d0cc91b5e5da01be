"""Benchmarks: ratios of interleaved runs in one process, never a single absolute time."""
