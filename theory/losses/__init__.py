"""The family of losses of the paper: one object each, with one small interface (`Loss`)."""

from collections.abc import Callable
from typing import Any, TypeAlias

from theory.errors import InputError
from theory.losses.base import NORMALIZATIONS, Loss
from theory.losses.custom import Custom, checked, load
from theory.losses.decoupled import Decoupled
from theory.losses.exponential import Exponential
from theory.losses.hinge import Hinge, SmoothedHinge
from theory.losses.logistic import Logistic
from theory.losses.of_sum import OfSum
from theory.losses.separable import Separable
from theory.losses.weighted import FAMILY, WeightedLogistic

__all__ = [
    "FAMILIES",
    "LOSSES",
    "NORMALIZATIONS",
    "Custom",
    "Decoupled",
    "Exponential",
    "Hinge",
    "Logistic",
    "Loss",
    "LossLike",
    "OfSum",
    "Separable",
    "SmoothedHinge",
    "WeightedLogistic",
    "get_loss",
    "loss_name",
]

#: The losses that ship, by name: those without a parameter.
LOSSES: dict[str, Loss] = {loss.name: loss for loss in (Logistic(), Hinge(), Exponential(), Separable(), Decoupled())}

#: The losses with a parameter, written `name:parameter`.
FAMILIES: dict[str, Callable[[str], Loss]] = {FAMILY: WeightedLogistic.parse}


#: What functions take for a loss: a name, `package.module:callable`, the callable itself, or a `Loss`.
LossLike: TypeAlias = str | Loss | Callable[..., Any]


def get_loss(loss: LossLike) -> Loss:
    """The loss of this name, or `name:parameter`; or a user's own as `package.module:callable`, or the callable itself.

    Raises:
        InputError: if there is no such loss.
    """
    if isinstance(loss, Loss):
        return loss
    if not isinstance(loss, str):
        return checked(loss, loss_name(loss))
    if loss in LOSSES:
        return LOSSES[loss]
    family, colon, parameter = loss.partition(":")
    if family in FAMILIES and colon:
        return FAMILIES[family](parameter)
    if colon:
        return load(loss)
    raise InputError("loss", loss, f"accepted: {', '.join([*LOSSES, f'{FAMILY}:Q'])} or package.module:callable")


def loss_name(loss: LossLike) -> str:
    """How results name the loss: a callable as `package.module:callable`, one with a parameter in its lowest terms."""
    if isinstance(loss, str):
        return get_loss(loss).name if loss.partition(":")[0] in FAMILIES else loss
    if isinstance(loss, Loss):
        return loss.name
    return f"{getattr(loss, '__module__', '?')}:{getattr(loss, '__qualname__', type(loss).__qualname__)}"
