"""A Dask cluster whose scheduler the user names: tasks go there, and what becomes of them comes back.

joblib's Dask backend waits for ever for a task whose workers died. So this asks the cluster itself.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

ANSWER_WITHIN = 10.0  # seconds that a scheduler has to answer, and to have a worker again
LOOK_EVERY = 5.0  # seconds between two looks at whether there is still a worker


@contextmanager
def connected(scheduler: str) -> Iterator[Any]:
    """A client of the cluster at this address, such as "tcp://host:8786", with at least one worker.

    Raises RuntimeError, in a sentence, for a scheduler that doesn't answer, and inside for a connection or
    workers that are lost.
    """
    try:
        from distributed import CancelledError, Client
        from distributed.comm import get_address_host_port
    except ImportError:
        raise RuntimeError(
            'a scheduler needs the package distributed: pip install "normalization-lab[cluster]"'
        ) from None
    try:
        get_address_host_port(scheduler)  # a client of what is no address ends badly
        client = Client(scheduler, timeout=ANSWER_WITHIN, set_as_default=False)
    except (OSError, ValueError, TypeError):
        raise RuntimeError(f"no Dask scheduler answers at {scheduler!r}") from None
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # tracebacks of what is said below
    with client, client.as_current():
        try:
            client.wait_for_workers(1, ANSWER_WITHIN)
            yield client
        except TimeoutError:
            raise RuntimeError(f"the cluster at {scheduler} has no worker, or none any more") from None
        except (OSError, CancelledError):
            raise RuntimeError(f"the connection to the scheduler at {scheduler} broke off") from None


def finished(client: Any, function: Callable, tasks: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """(task, future) for each task, as soon as its future is done; those that failed come last."""
    from distributed import wait

    of_future = dict(zip(client.map(function, tasks, pure=False), tasks, strict=True))
    pending = set(of_future)
    while pending:
        try:
            done, pending = wait(pending, LOOK_EVERY, "FIRST_COMPLETED")
        except TimeoutError:
            client.wait_for_workers(1, ANSWER_WITHIN)
            continue
        for future in sorted(done, key=lambda future: future.status == "error"):
            yield of_future[future], future
