"""The course's `Solver`: a face of the training loop."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lab.nn import random
from lab.nn.validation import require_choice, require_number
from lab.train.loop import Training, blas_threads

RULES = {"sgd": "sgd", "sgd_momentum": "momentum", "rmsprop": "rmsprop", "adam": "adam"}
# What courses take for a learning rate when none is given.
USUAL_RATES = {"sgd": 1e-2, "sgd_momentum": 1e-2, "rmsprop": 1e-2, "adam": 1e-3}


class Solver:
    """Trains a model on a dict of data, in the course's vocabulary.

    model: a FullyConnectedNet, or any object with `.loss(X, y)` and `.params`.
    data: mapping with X_train, y_train, X_val, y_val.
    num_epochs, batch_size. update_rule: "sgd", "sgd_momentum", "rmsprop" or "adam". optim_config: its
    learning_rate and coefficients. lr_decay: the rate is multiplied by it after each epoch.
    print_every, verbose: how often and whether the loss is printed. num_train_samples, num_val_samples: of
    each part, how many accuracy is measured on; None is all.
    Minibatches are drawn from `np.random` with replacement, N // batch_size an epoch. Accuracy is measured
    after the first update and after each epoch: 11 entries for 10 epochs.
    Raises ValueError for a rule or coefficient that doesn't exist.
    """

    def __init__(
        self,
        model: Any,
        data: Mapping[str, np.ndarray],
        *,
        num_epochs: int = 10,
        batch_size: int = 100,
        update_rule: str = "sgd",
        optim_config: Mapping[str, float] | None = None,
        lr_decay: float = 1.0,
        print_every: int = 10,
        verbose: bool = True,
        num_train_samples: int | None = 1000,
        num_val_samples: int | None = None,
    ):
        require_choice("update_rule", update_rule, RULES)
        require_number("num_epochs", num_epochs, least=1, whole=True)
        require_number("print_every", print_every, least=1, whole=True)
        require_number("lr_decay", lr_decay, least=0)
        for name, limit in (("num_train_samples", num_train_samples), ("num_val_samples", num_val_samples)):
            if limit is not None:
                require_number(name, limit, least=1, whole=True)
        coefficients = dict(optim_config or {})
        rate = coefficients.pop("learning_rate", USUAL_RATES[update_rule])
        self.model, self.num_epochs = model, num_epochs
        self.print_every, self.verbose = print_every, verbose
        self.training = Training(
            model, data, batch_size=batch_size, sampling="with_replacement", epochs=num_epochs,
            learning_rate=rate, optimizer=RULES[update_rule], optim_config=coefficients, data_seed=None,
            train_samples=num_train_samples, val_samples=num_val_samples,
        )  # fmt: skip
        if lr_decay != 1.0:
            self.training.schedule = "step"
            self.training.schedule_config = {"every": self.training.minibatches.per_epoch, "factor": lr_decay}
        self.best_params: dict[str, np.ndarray]
        self.best_val_acc, self.best_params = 0.0, {}

    @property
    def loss_history(self) -> list[float]:
        """The loss of each update."""
        return self.training.loss.tolist()

    @property
    def train_acc_history(self) -> list[float]:
        """Training accuracy after the first update and after each epoch."""
        return [accuracy.train for accuracy in self.training.accuracies]

    @property
    def val_acc_history(self) -> list[float]:
        """Validation accuracy after the first update and after each epoch."""
        return [accuracy.val for accuracy in self.training.accuracies]

    def train(self) -> None:
        """Train to the end; the model is then as it was when its validation accuracy was best."""
        training, best = self.training, None
        if training.is_done:  # a second call goes on for as many epochs again
            training.epochs += self.num_epochs
        with blas_threads(training.batch_size):
            for step in training:
                if self.verbose and (step - 1) % self.print_every == 0:
                    print(f"(Iteration {step} / {training.total_steps}) loss: {training.loss[-1]:.6f}")
                measured = training.accuracies[-1]
                if measured.update != step:
                    continue
                if self.verbose:
                    print(
                        f"(Epoch {measured.epoch} / {training.epochs}) "
                        f"train acc: {measured.train:.6f}; val_acc: {measured.val:.6f}"
                    )
                if measured.val > self.best_val_acc:
                    self.best_val_acc, best = measured.val, training.net.state()
                    self.best_params = {name: w.copy() for name, w in self.model.params.items()}
        if best is not None:
            training.net.load_state(best)

    def check_accuracy(
        self, X: np.ndarray, y: np.ndarray, num_samples: int | None = None, batch_size: int = 100
    ) -> float:
        """The share of right answers of the model on (X, y), or on num_samples of them drawn at random."""
        if num_samples is not None and num_samples < len(X):
            rows = random.legacy().choice(len(X), num_samples)
            X, y = X[rows], y[rows]
        starts = range(0, len(X), batch_size)
        answers = [np.argmax(self.model.loss(X[i : i + batch_size]), axis=1) for i in starts]
        return float(np.mean(np.concatenate(answers) == y))
