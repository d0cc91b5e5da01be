"""Where a student's code runs: the jail, what is in it, and the judge's side of the line to it."""
