"""Attack that warps images by a smooth flow field."""

from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, grid_sample

from shapebias.attacks._types import Generators, Images, Labels
from shapebias.networks.eval_mode import eval_mode
from shapebias.plugins import plugin
from shapebias.ranges import Range

Flow = Float[Tensor, "image row column 2"]
# Keeps the length of a difference differentiable where it is zero; in square pixels.
TINY = 1e-7


@plugin
class SpatialTransform:
    """Attack that moves pixels without changing their values, as stAdv does.

    The flow maximises the network's cross-entropy minus `smoothness` times the total variation of
    the flow. Each step moves an image's fastest pixel by `step`.

    Parameters
    ----------
    step
        Length of a step, in pixels.
    steps
        Number of steps.
    max_flow
        Largest displacement of a pixel in each direction, in pixels.
    smoothness
        Weight of the flow's total variation, a sum of lengths in pixels. Published in units of
        half the image's side; 0.05 there is 0.003 here for images of 32 pixels.

    Notes
    -----
    Published stAdv optimises by L-BFGS without a bound, with all images of a batch in one problem,
    which makes an image's flow depend on the other images of its batch. Here each image is
    optimised separately.

    References
    ----------
    .. [1] Xiao et al. (2018). Spatially transformed adversarial examples. ICLR.
       :DOI:`10.48550/arXiv.1801.02612`
    .. [2] Zhang & Zhu (2019). Interpreting adversarially trained convolutional neural networks.
       ICML. :DOI:`10.48550/arXiv.1905.09797`
    """

    step: Annotated[float, Range(ge=0)] = 0.25
    steps: Annotated[int, Range(ge=0)] = 10
    max_flow: Annotated[float, Range(ge=0)] = 1.0
    smoothness: Annotated[float, Range(ge=0)] = 0.003

    def __call__(
        self,
        model: nn.Module,
        images: Images,
        labels: Labels,
        *,
        generator: Generators | None = None,
    ) -> Images:
        """Compute warped images in [0, 1] with the network in eval mode.

        The network's modes and the gradients of its parameters are left unchanged. `generator` is
        accepted because every attack takes one; nothing is drawn from it.
        """
        images = images.detach()
        flow = images.new_zeros(len(images), *images.shape[2:], 2)
        with eval_mode(model):
            for _ in range(self.steps):
                gradient = self._gradient(model, images, labels, flow)
                fastest = gradient.abs().amax(dim=(1, 2, 3), keepdim=True)
                gradient = gradient / fastest.clamp(min=torch.finfo(gradient.dtype).tiny)
                flow = (flow + self.step * gradient).clamp(-self.max_flow, self.max_flow)
        return warp(images, flow)

    def _gradient(self, model: nn.Module, images: Images, labels: Labels, flow: Flow) -> Flow:
        flow = flow.detach().requires_grad_()
        with torch.enable_grad():
            losses = cross_entropy(model(warp(images, flow)), labels, reduction="sum")
            target = losses - self.smoothness * flow_tv(flow).sum()
            # Differentiating by the flow only leaves the parameters' gradients untouched.
            (gradient,) = torch.autograd.grad(target, flow)
        return gradient


def warp(images: Images, flow: Flow) -> Images:
    """Sample each pixel bilinearly from its displaced position; the border is repeated outside.

    Parameters
    ----------
    flow
        Displacement of the position that a pixel is sampled from, in pixels: right, then down.
    """
    height, width = images.shape[2:]
    rows = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None] + flow[..., 1]
    columns = torch.arange(width, device=flow.device, dtype=flow.dtype) + flow[..., 0]
    # Pixel centres in the units of `grid_sample`, in which an image spans -1 to 1.
    grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], dim=-1)
    return grid_sample(images, grid, padding_mode="border", align_corners=False).clamp(0, 1)


def flow_tv(flow: Flow) -> Float[Tensor, " image"]:
    """Sum the lengths of a flow's differences between vertical and horizontal neighbours."""
    down, right = flow.diff(dim=1), flow.diff(dim=2)
    lengths = [(TINY + step.square().sum(dim=-1)).sqrt().sum(dim=(1, 2)) for step in (down, right)]
    return lengths[0] + lengths[1]
