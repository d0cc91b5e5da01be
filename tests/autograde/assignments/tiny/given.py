"""What the assignment gives you to build on."""


def flat(x):
    """x: (N, ...). Returns the numbers of each sample in a row, (N, D)."""
    return x.reshape(len(x), -1)
