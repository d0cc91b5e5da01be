"""How many messages a frame of the explorer is worth, so the page keeps up; when a sentence is due."""

from lab.live.explorer.race import RaceFrame
from lab.live.task import FRAME

SAID_EVERY = 20  # frames from one sentence to the next: a screen reader wants to end it
CATCH_UP = 4  # frames of a new run with as many messages, until all figures show it
REST = 6  # each so many frames draw the loss alone: with what axes and keys send, two messages are the mean


def messages_worth(frame: RaceFrame) -> int:
    """How many a frame is worth beside the loss: one, so that the page keeps up; of a network whose updates
    take long, one for each frame that would have come meanwhile."""
    if 1 < frame.number <= CATCH_UP:
        return CATCH_UP
    is_slow = 0 < frame.steps_per_second * FRAME < 1 and frame.number > 1
    frames = int(1 / (frame.steps_per_second * FRAME)) if is_slow else 1
    return frames - (frame.number % REST == 0)


def saying(frame: RaceFrame) -> int:
    """Changes when a sentence is due: once in a while, and at each frame where nothing trains."""
    is_resting = not frame.is_playing or frame.is_done
    return frame.number // (1 if is_resting else SAID_EVERY)
