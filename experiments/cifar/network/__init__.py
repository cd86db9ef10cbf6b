"""The networks: images to features, and features to embeddings on the unit sphere."""

from experiments.cifar.network.encoder import Encoder, build

__all__ = ["Encoder", "build"]
