"""Which class a sentence belongs to, by examples of each: the nearest examples, and a ridge regression over all."""

from collections.abc import Sequence

import numpy as np

from services.chat.retrieval.embedding import Matrix

NEAREST = 2
# Both were chosen by cross-validation over the development questions: the slow test of the evaluation shows how.
PENALTY = 1.0
REGRESSION_WEIGHT = 0.5


class Classifier:
    """Immutable once made. The examples are unit vectors, one matrix for each class."""

    def __init__(self, classes: Sequence[Matrix]) -> None:
        self._classes = classes
        self._weights = _ridge(classes)

    def similarities(self, vector: Matrix) -> Matrix:
        """For each class, how near its nearest two examples are on average, from -1 to 1."""
        return np.array([np.sort(examples @ vector)[-NEAREST:].mean() for examples in self._classes])

    def scores(self, vector: Matrix) -> Matrix:
        """For each class the evidence of both kinds; only differences of one vector's scores mean anything."""
        leaning: Matrix = np.append(vector, 1.0) @ self._weights
        return self.similarities(vector) + REGRESSION_WEIGHT * leaning


def _ridge(classes: Sequence[Matrix]) -> Matrix:
    """One against all, every class with the same weight, however many examples it has."""
    examples = np.concatenate(classes)
    inputs = np.concatenate([examples, np.ones((len(examples), 1))], axis=1)
    sizes = np.array([len(members) for members in classes])
    owner = np.repeat(np.arange(len(classes)), sizes)
    wanted = np.where(owner[:, None] == np.arange(len(classes)), 1.0, -1.0)
    weighted = inputs.T * (len(examples) / (len(classes) * sizes))[owner]
    weights: Matrix = np.linalg.solve(weighted @ inputs + PENALTY * np.eye(inputs.shape[1]), weighted @ wanted)
    return weights
