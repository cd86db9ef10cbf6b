"""The strategies of `verify.testing`, which the tests of this project use too."""

from verify.testing import embeddings, priors, temperatures

__all__ = ["embeddings", "priors", "temperatures"]
