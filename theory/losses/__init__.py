"""The family of losses of the paper: one object each, with one small interface (`Loss`)."""

from theory.errors import InputError
from theory.losses.base import NORMALIZATIONS, Loss
from theory.losses.custom import Custom, load
from theory.losses.decoupled import Decoupled
from theory.losses.exponential import Exponential
from theory.losses.hinge import Hinge, SmoothedHinge
from theory.losses.logistic import Logistic
from theory.losses.separable import Separable

__all__ = [
    "LOSSES",
    "NORMALIZATIONS",
    "Custom",
    "Decoupled",
    "Exponential",
    "Hinge",
    "Logistic",
    "Loss",
    "Separable",
    "SmoothedHinge",
    "get_loss",
]

#: The losses that ship, by name.
LOSSES: dict[str, Loss] = {loss.name: loss for loss in (Logistic(), Hinge(), Exponential(), Separable(), Decoupled())}


def get_loss(name: str) -> Loss:
    """The loss of this name, or a user's own as `package.module:callable`.

    Raises:
        InputError: if there is no such loss.
    """
    if name in LOSSES:
        return LOSSES[name]
    if ":" in name:
        return load(name)
    raise InputError("loss", name, f"accepted: {', '.join(LOSSES)} or package.module:callable")
