"""A disk that runs full, and what it leaves behind."""

import resource
from contextlib import contextmanager


def files_below(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@contextmanager
def no_file_larger_than(size):
    """What a full disk does to a file that grows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
