"""Benchmarks: ratios of interleaved runs in one process, never a single absolute time.

`workloads` says what is trained, as data; `ours`, `floor` and the `peers` train it, each as its users would;
`compare` says who is compared with whom and what was promised; `measure` keeps the clocks; `command` is
`lab bench`. A trainer takes a workload and its samples. Its `advance(rows, rates)` makes
one update for each row of row numbers and returns the losses, `accuracy()` the shares of right answers.
"""
