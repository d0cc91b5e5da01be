"""A network that somebody else wrote, in the place of `FullyConnectedNet`."""

from copy import deepcopy

import numpy as np


class BorrowedNet:
    """Any object with `.loss(X, y) -> (loss, gradients)`, `.loss(X) -> scores` and a dict `.params`.

    Its parameters move into one flat buffer and `params` holds views from then on, so the lab's
    optimizers update them in place. Raises ValueError for a model without them.
    """

    members = None
    xp = np

    def __init__(self, model):
        if not callable(getattr(model, "loss", None)) or not hasattr(model, "params"):
            raise ValueError(
                f"a model needs .loss(X, y) and .params; {type(model).__name__} lacks one of them"
            )
        self.model, self.reg = model, getattr(model, "reg", 0.0)
        self._bind()

    def backpropagate(self, X, y):
        """The loss; the gradients go into `flat_gradient`. Raises ValueError for one of another shape."""
        loss, gradients = self.model.loss(X, y)
        for name, view in self._views.items():
            # A bias's gradient may be (1, D) in place of (D,): that does no harm.
            if name not in gradients or np.squeeze(gradients[name]).shape != view.squeeze().shape:
                found = np.shape(gradients[name]) if name in gradients else "missing"
                raise ValueError(f"the model's gradient of {name} must have shape {view.shape}, not {found}")
            self._gradients[name][...] = np.reshape(gradients[name], view.shape)
        return np.asarray(loss)

    def scores(self, X):
        """(N, C), in test mode."""
        return self.model.loss(X)

    def replace(self, leaves):
        """Its functions are its own."""

    def state(self):
        """A copy of the whole model."""
        return deepcopy(vars(self.model))

    def load_state(self, state):
        """Go back to what `state` returned."""
        vars(self.model).update(deepcopy(state))
        for name, view in self._views.items():
            view[...] = state["params"][name]
            self.model.params[name] = view

    def __deepcopy__(self, memo):
        return BorrowedNet(deepcopy(self.model, memo))

    def _bind(self):
        arrays = {name: np.asarray(value) for name, value in self.model.params.items()}
        self.flat_params = np.concatenate([a.ravel() for a in arrays.values()])
        self.flat_gradient = np.zeros_like(self.flat_params)
        self.dtype = self.flat_params.dtype
        ends = np.cumsum([a.size for a in arrays.values()])[:-1]
        self._views, self._gradients = (
            {n: p.reshape(a.shape) for (n, a), p in zip(arrays.items(), np.split(flat, ends), strict=True)}
            for flat in (self.flat_params, self.flat_gradient)
        )
        self.model.params.update(self._views)
