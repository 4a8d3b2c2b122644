"""Fast gradient sign method: one step in the L-infinity ball."""

from typing import Annotated

from shapebias.attacks.pgd import ProjectedGradient
from shapebias.ranges import Range


def build(
    *,
    eps: Annotated[float, Range(ge=0)],
    step: Annotated[float, Range(ge=0)] | None = None,
    random_start: bool = False,
) -> ProjectedGradient:
    """Attack of one step along the sign of the gradient.

    Parameters
    ----------
    eps
        Radius of the L-infinity ball, for pixels in [0, 1] and below 1: 8 levels of 255 are
        0.0313725.
    step
        Length of the step; None is eps, as published. From a random start a longer one reaches
        the ball's surface; 1.25 eps is usual [2]_.
    random_start
        Start from a point drawn uniformly from the ball, not from the image.

    Returns
    -------
    The projected gradient attack whose special case this is.

    References
    ----------
    .. [1] Goodfellow, Shlens & Szegedy (2015). Explaining and harnessing adversarial examples.
       ICLR. :DOI:`10.48550/arXiv.1412.6572`
    .. [2] Wong, Rice & Kolter (2020). Fast is better than free: revisiting adversarial training.
       ICLR. :DOI:`10.48550/arXiv.2001.03994`
    """
    step = eps if step is None else step
    return ProjectedGradient(
        norm="linf",
        eps=eps,
        step=step,
        steps=1,
        random_start=random_start,
        best_iterate=False,
        step_rule="sign",
    )
