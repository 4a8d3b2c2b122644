"""Late fusion of two networks: one last layer reads the features of both."""

import operator
from collections.abc import Sequence
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor, nn

from shapebias.errors import ShapebiasError
from shapebias.networks.classifier import Classifier
from shapebias.plugins import build as build_plugin
from shapebias.ranges import Range


def build(
    *, classes: list, members: list, input_size: Annotated[int, Range(ge=8)] | None = None
) -> Classifier:
    """Two networks side by side, with a last linear layer over the features of both.

    Parameters
    ----------
    classes
        Class names in the order of the scores.
    members
        Names of two networks of the study; their weights are where the training begins. In the
        saved description they are the networks' architectures.
    input_size
        Side of the images, in pixels; the first member's own by default.

    Returns
    -------
    Classifier with the named layers that both members have. A layer's channels are those of the
    first member and then those of the second.

    Raises
    ------
    ShapebiasError
        If there are not two members, one cannot be cut at its layers or does not end in a linear
        layer, or they have no named layer in common at which their maps are of one size and form.

    References
    ----------
    .. [1] Itazuri et al. (2019). What do adversarially robust models look at? Section 4.2.
       :DOI:`10.48550/arXiv.1905.07666`
    """
    if len(members) != 2:
        raise ShapebiasError(
            f"architectures/ensemble: `members` names two networks, not {len(members)}"
        )
    size = {"input_size": input_size} if input_size else {}
    pair = [build_plugin("architectures", classes=classes, **size, **member) for member in members]
    for member in pair:
        if not member.is_split:
            raise ShapebiasError(
                f"architectures/ensemble: {member} cannot be cut: give it other `layers`"
            )
    places = _places(*pair)
    rests = [_without_last(member) for member in pair]
    network = LateFusion(*pair, sum(count for _, count in rests), len(classes))
    segments, begun, split = {}, [[Normalised(member)] for member in pair], None
    layouts = {layer: pair[0].layout(layer) for layer in places}
    axis = 1
    for layer, layout in layouts.items():
        steps = [_steps(member, places, layer) for member in pair]
        axes = (axis, layout.axis)
        segments[layer] = [Both(*map(operator.add, begun, steps), split=split, axes=axes)]
        begun, split, axis = [[], []], places[layer], layout.axis
    ends = [_steps(pair[n], places, None) + rest for n, (rest, _) in enumerate(rests)]
    return Classifier(
        network,
        segments=segments,
        tail=[Both(*ends, split=split, axes=(axis, 1)), network.last],
        layouts=layouts,
        classes=classes,
        # Each member normalises for itself.
        mean=[0.0] * 3,
        std=[1.0] * 3,
        input_size=pair[0].input_size,
    )


class LateFusion(nn.Module):
    """What an ensemble owns: the members' networks, without their last layers, and its own.

    Parameters
    ----------
    first, second
        Members, whose own last layers are gone.
    features, n_classes
        Inputs and outputs of the last layer.
    """

    def __init__(self, first: Classifier, second: Classifier, features: int, n_classes: int):
        super().__init__()
        self.first, self.second = first.network, second.network
        self.last = nn.Linear(features, n_classes)
        nn.init.normal_(self.last.weight, std=0.01)
        nn.init.zeros_(self.last.bias)


class Both(nn.Module):
    """Modules of two members, each on its own channels, and their outputs side by side.

    Parameters
    ----------
    first, second
        Modules to run one after another.
    split
        Channels of the input that are the first member's; None where both read the whole input.
    axes
        Of the channels, in the input and in the output.
    """

    def __init__(
        self,
        first: Sequence[nn.Module],
        second: Sequence[nn.Module],
        *,
        split: int | None,
        axes: tuple[int, int],
    ):
        super().__init__()
        self.first, self.second = nn.Sequential(*first), nn.Sequential(*second)
        self.split, self.axes = split, axes

    def forward(self, activation: Tensor) -> Tensor:
        """Outputs of the first member's modules, then those of the second's."""
        own = other = activation
        if self.split is not None:
            rest = activation.shape[self.axes[0]] - self.split
            own, other = activation.split([self.split, rest], dim=self.axes[0])
        return torch.cat([self.first(own), self.second(other)], dim=self.axes[1])


class Normalised(nn.Module):
    """Pixels as one member expects them.

    Parameters
    ----------
    member
        Classifier that says how.
    """

    def __init__(self, member: Classifier):
        super().__init__()
        self.register_buffer("mean", member.mean, persistent=False)
        self.register_buffer("std", member.std, persistent=False)

    def forward(self, images: Float[Tensor, "image 3 row column"]) -> Tensor:
        """Pixels less their mean, over their standard deviation."""
        return (images - self.mean) / self.std


@torch.no_grad()
def _places(first: Classifier, second: Classifier) -> dict[str, int]:
    """Layers that both have, with maps of one size, and the first member's channels there."""
    blank = torch.zeros(1, 3, first.input_size, first.input_size)
    shapes = [
        {layer: (maps.shape, member.layout(layer)) for layer, maps in member.eval().walk(blank)}
        for member in (first, second)
    ]
    found = {
        layer: shape[1]
        for layer, (shape, layout) in shapes[0].items()
        if layer in shapes[1]
        and (shapes[1][layer][0][2:], shapes[1][layer][1]) == (shape[2:], layout)
    }
    if not found or list(found) != [layer for layer in second.layers if layer in found]:
        raise ShapebiasError(
            "architectures/ensemble: the members share no named layers with maps of one size "
            f"({', '.join(first.layers)}; {', '.join(second.layers)}): give them the same `layers`"
        )
    return found


def _steps(member: Classifier, places: dict[str, int], layer: str | None) -> list[nn.Module]:
    """A member's modules from the place before a layer to it; to its last layer for None."""
    modules: list[nn.Module] = []
    for name in member.layers:
        modules += member.modules_of(name)
        if name == layer:
            return modules
        if name in places:
            modules = []
    return modules


def _without_last(member: Classifier) -> tuple[list[nn.Module], int]:
    """Modules after a member's last named layer, without its last linear one; its inputs."""
    linear = [module for module in member.network.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ShapebiasError(
            f"architectures/ensemble: {member} has no last linear layer to leave out"
        )
    last, nothing = linear[-1], nn.Identity()
    rest = [nothing if module is last else module for module in member.modules_of(None)]
    for holder in (member.network, *rest):
        for name, module in list(holder.named_modules()):
            if module is last:
                holder.set_submodule(name, nothing)
    return rest, last.in_features
