"""Types of the arguments of attacks."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

Images = Float[Tensor, "image channel row column"]
Labels = Int[Tensor, " image"]
# One generator for all images, or one for each image.
Generators = torch.Generator | Sequence[torch.Generator]
