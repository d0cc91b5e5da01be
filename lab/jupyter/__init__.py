"""JupyterLab as the lab opens it: on a learner's copy of a lesson, with a server that answers at once."""
