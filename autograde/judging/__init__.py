"""How submissions are graded: the judge of one, and the batch of all."""
