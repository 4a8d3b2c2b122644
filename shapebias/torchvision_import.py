"""Import torchvision, also beside a CPU-only torch; import it from here everywhere.

Beside a CPU-only torch, torchvision's compiled operators (built for CUDA) cannot load, and its
import fails because two of them are missing. Classification and segmentation networks use
neither, so declaring them is enough. Where the operators load, nothing is changed.
"""

import torch

try:
    import torchvision
except RuntimeError as error:
    if "torchvision::nms does not exist" not in str(error):
        raise
    # The declarations last only as long as the library object: keep it for the whole process.
    OPERATORS = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        OPERATORS.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

__all__ = ["torchvision"]
