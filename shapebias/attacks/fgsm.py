"""Fast gradient sign method: one step in the L-infinity ball."""

from typing import Annotated

from torch import nn

from shapebias.attacks._types import Generators, Images, Labels
from shapebias.attacks.pgd import ProjectedGradient
from shapebias.plugins import plugin
from shapebias.ranges import Range


@plugin
class FastGradientSign:
    """Attack of one step along the sign of the gradient.

    Parameters
    ----------
    eps
        Radius of the L-infinity ball, for pixels in [0, 1] and below 1: 8 levels of 255 are
        0.0313725.
    step
        Length of the step; None is eps, as published. From a random start a longer step reaches
        the surface of the ball; 1.25 eps is usual [2]_.
    random_start
        Start from a point drawn uniformly from the ball instead of the image.

    References
    ----------
    .. [1] Goodfellow, Shlens & Szegedy (2015). Explaining and harnessing adversarial examples.
       ICLR. :DOI:`10.48550/arXiv.1412.6572`
    .. [2] Wong, Rice & Kolter (2020). Fast is better than free: revisiting adversarial training.
       ICLR. :DOI:`10.48550/arXiv.2001.03994`
    """

    eps: Annotated[float, Range(ge=0)]
    step: Annotated[float, Range(ge=0)] | None = None
    random_start: bool = False

    def __post_init__(self):
        # Projected gradient descent checks that both distances are below 1.
        self.as_projected_gradient()

    def __call__(
        self,
        model: nn.Module,
        images: Images,
        labels: Labels,
        *,
        generator: Generators | None = None,
    ) -> Images:
        """Compute adversarial images, as `shapebias.attacks.pgd.ProjectedGradient` does."""
        return self.as_projected_gradient()(model, images, labels, generator=generator)

    def as_projected_gradient(self) -> ProjectedGradient:
        """Return the projected gradient attack that equals this one."""
        return ProjectedGradient(
            norm="linf",
            eps=self.eps,
            step=self.eps if self.step is None else self.step,
            steps=1,
            random_start=self.random_start,
            step_rule="sign",
        )
