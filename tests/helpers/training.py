"""Short form of a training for tests."""

from shapebias.training.image_loaders import InMemoryImages
from shapebias.training.loop import Trainer
from shapebias.training.settings import TrainingSettings
from shapebias.training.validation import accuracy


def train(
    model, images, labels, *, recipe, validation=None, state=None, fabric=None, on_epoch=None,
    **settings,
):  # fmt: skip
    """Log of a training on images that are a tensor or loaders."""
    devices = {} if fabric is None else {"fabric": fabric}
    return Trainer(
        model=model,
        recipe=recipe,
        settings=TrainingSettings(**settings),
        images=as_loader(images),
        labels=labels,
        validation=validation and (as_loader(validation[0]), validation[1]),
        state=state,
        on_epoch=on_epoch,
        **devices,
    ).run()


def measure_accuracy(model, images, labels, **settings):
    return accuracy(model, as_loader(images), labels, **settings)


def as_loader(images):
    return InMemoryImages(images) if hasattr(images, "shape") else images
