"""Which explorers train in this kernel: running a cell again stops those that it made before."""

from typing import Any, Protocol


class Stoppable(Protocol):
    def stop(self) -> None: ...


_by_cell: dict[str, tuple[str, list[Stoppable]]] = {}  # cell: (execution, what it made)


def replace_in_this_cell(explorer: Stoppable) -> None:
    """Register what the running cell made, and stop what an earlier run of the same cell made."""
    cell, execution = _running_cell()
    if cell is None:
        return
    before, explorers = _by_cell.get(cell, (execution, []))
    if before != execution:
        for old in explorers:
            old.stop()
        explorers = []
    _by_cell[cell] = (execution, [*explorers, explorer])


def _running_cell() -> tuple[str | None, str]:
    """The cell's id and the id of this execution, as the front end names them; (None, "") outside of one."""
    try:
        from IPython import get_ipython

        request: dict[str, Any] = get_ipython().get_parent()
    except (ImportError, AttributeError):
        return None, ""
    return request.get("metadata", {}).get("cellId"), request.get("header", {}).get("msg_id", "")
