"""The states that a race went through, so that it can go back; what lies between two of them is replayed."""

from collections.abc import Sequence

from lab.train import Training

EVERY = 10  # updates between two states at first
LEAST, MOST = 2, 32  # states that are kept, and as many of changes and branches
BYTES = 200e6  # of all of them together, if that leaves at least LEAST


class History:
    """States of the trainings of a race, by the number of updates made.

    Each state knows its trainings, since a branch puts another one in the place of the twin.
    """

    def __init__(self, trainings: Sequence[Training]):
        self._kept: dict[int, list] = {}
        self._fixed: set[int] = {0}
        self._every = EVERY
        size = sum(3 * training.net.flat_params.nbytes for training in trainings)  # Adam keeps two more
        self._most = int(min(MOST, max(LEAST, BYTES / 2 // size)))
        self._keep(0, trainings)

    def note(self, step: int, trainings: Sequence[Training], *, always: bool = False) -> None:
        """Keep this state if it is due; `always` where what comes after it can't be replayed from before."""
        if always:
            self._fixed.add(step)
        elif step % self._every:
            return
        self._keep(step, trainings)
        while len(self._kept) - len(self._fixed) > self._most:
            self._every *= 2
            due = {step for step in self._kept if step % self._every == 0} | self._fixed
            self._kept = {step: self._kept[step] for step in self._kept if step in due}
        while len(self._fixed) > self._most:  # then there is no way back before the next of them
            self._fixed.remove(min(self._fixed))
            self._kept = {s: kept for s, kept in self._kept.items() if s >= min(self._fixed)}

    def restore(self, before: int) -> tuple[int, tuple[Training, ...]]:
        """Go back to the last state before update `before`, or the first that is kept; (updates made there,
        the trainings)."""
        step = max((step for step in self._kept if step < before), default=min(self._kept))
        for training, state, config in self._kept[step]:
            training.load_state(state)
            training.config = config
        self._kept = {s: kept for s, kept in self._kept.items() if s <= step}
        self._fixed &= set(self._kept)
        return step, tuple(training for training, _, _ in self._kept[step])

    def _keep(self, step: int, trainings: Sequence[Training]) -> None:
        self._kept[step] = [(training, training.state(), training.config) for training in trainings]
