"""Slow, obvious versions of what the library does fast."""

import math

import torch
from torch.nn import functional


def threshold_by_sorting(values, quantile):
    """The (k + 1)-th largest of a list, k = floor(quantile * N), quantile a Fraction."""
    return sorted(values, reverse=True)[math.floor(quantile * len(values))]


def upsampled_by_formula(rows, size):
    """Bilinear upsampling of a list of rows with half-pixel centres, pixel by pixel."""

    def source(target, length, target_length):
        return (target + 0.5) * length / target_length - 0.5

    return _upsampled(rows, size, (source, source))


def upsampled_by_centres(rows, size, fields, image):
    """Bilinear upsampling of a list of rows, each place at the middle of what it sees."""

    def source_of(axis):
        def source(target, length, target_length):
            # The pixel of the image that lies under the middle of a pixel of the mask.
            pixel = (target + 0.5) * image[axis] / target_length - 0.5
            middle = fields[axis].start + (fields[axis].size - 1) / 2
            return (pixel - middle) / fields[axis].stride

        return source

    return _upsampled(rows, size, (source_of(0), source_of(1)))


def _upsampled(rows, size, sources):
    def neighbours(place, length):
        place = min(max(place, 0), length - 1)
        low = int(place)
        return low, min(low + 1, length - 1), place - low

    result = []
    for row in range(size[0]):
        top, bottom, v = neighbours(sources[0](row, len(rows), size[0]), len(rows))
        line = []
        for column in range(size[1]):
            place = sources[1](column, len(rows[0]), size[1])
            left, right, h = neighbours(place, len(rows[0]))
            upper = rows[top][left] * (1 - h) + rows[top][right] * h
            lower = rows[bottom][left] * (1 - h) + rows[bottom][right] * h
            line.append(upper * (1 - v) + lower * v)
        result.append(line)
    return result


@torch.no_grad()
def activations(model, batches):
    """Layer to the maps of every image, one image at a time."""
    found = {}
    for batch in batches:
        for image in batch.images:
            for layer, maps in model.eval().walk(image[None]):
                found.setdefault(layer, []).append(maps[0].clone())
    return found


def labelled_pixels(batches):
    """For each image: its mask size, and (category, number) to the set of its pixels."""
    images = []
    for batch in batches:
        size = batch.mask_size()
        everywhere = {(row, column) for row in range(size[0]) for column in range(size[1])}
        for number in range(len(batch.images)):
            pixels = {}
            for category, layers in batch.maps.items():
                for layer in layers:
                    for row, column in everywhere:
                        label = int(layer[number, row, column])
                        if label:
                            pixels.setdefault((category, label), set()).add((row, column))
            for category, label in batch.labels[number]:
                pixels[category, label] = set(everywhere)
            images.append((size, pixels))
    return images


def overlaps_by_loops(model, batches, concepts, quantile, area, fields=None):
    """(layer, channel) to its threshold, and per concept's name (I, A, T), by sets of pixels.

    With fields of each layer, masks are aligned with them.
    """
    image_shape = tuple(batches[0].images.shape[2:])
    primary = {number: category for number, _, category in concepts}
    images = labelled_pixels(batches)
    result = {}
    for layer, maps in activations(model, batches).items():
        for channel in range(maps[0].shape[0]):
            values = [value for one in maps for value in one[channel].flatten().tolist()]
            threshold = threshold_by_sorting(values, quantile)
            masks = [
                _mask(one[channel], size, threshold, fields and fields[layer], image_shape)
                for one, (size, _) in zip(maps, images, strict=True)
            ]
            counts = {
                name: _counts(masks, images, number, category, primary, area)
                for number, name, category in concepts
            }
            result[layer, channel] = (threshold, counts)
    return result


def _mask(values, size, threshold, fields, image_shape):
    excess = values - threshold
    if fields:
        large = upsampled_by_centres(excess.tolist(), size, fields, image_shape)
    elif all(length & (length - 1) == 0 for length in (*size, *values.shape)):
        # Between powers of two the weights are exact, and so is the formula.
        large = upsampled_by_formula(excess.tolist(), size)
    else:
        large = functional.interpolate(excess[None, None], size, mode="bilinear")[0, 0].tolist()
    return {
        (row, column)
        for row in range(size[0])
        for column in range(size[1])
        if large[row][column] > 0
    }


def _counts(masks, images, number, category, primary, area):
    intersection = activated = truth = 0
    for mask, (_, pixels) in zip(masks, images, strict=True):
        own, kind = set(), set()
        for (where, label), found in pixels.items():
            if label == number:
                own |= found
            if where == category or primary.get(label) == category:
                kind |= found
        intersection += len(mask & own)
        truth += len(own)
        counts = {"all_images": True, "labelled_images": kind, "inside_mask": mask & kind}[area]
        activated += len(mask) if counts else 0
    return intersection, activated, truth


@torch.no_grad()
def flips_by_silencing(model, images, image_ids, shapes, textures, decide, channels=None):
    """(layer, channel, image id, before, after) of every flip, by running the whole network."""
    model.eval()
    before = decide(model(images))
    flips = []
    for layer, number in model.channels().items():
        for channel in range(number) if channels is None else channels[layer]:
            with model.ablated(layer, [channel]):
                after = decide(model(images))
            for i, image_id in enumerate(image_ids):
                counts = shapes[i] != textures[i] and before[i] in (shapes[i], textures[i])
                if counts and after[i] != before[i]:
                    flips.append((layer, channel, image_id, before[i], after[i]))
    return before, flips


@torch.no_grad()
def changes_by_silencing(model, images, shapes, textures, probabilities):
    """For each channel, mean change of the probability of the cue's class over the images that the
    cue decides: by shape, by texture; NaN where there are none.
    """
    model.eval()
    intact = probabilities(model(images))
    means = []
    for layer, number in model.channels().items():
        for channel in range(number):
            with model.ablated(layer, [channel]):
                silent = probabilities(model(images))
            row = []
            for cues in (shapes, textures):
                own = [
                    after[cue] - before[cue]
                    for before, after, cue, one, two in zip(
                        intact, silent, cues, shapes, textures, strict=True
                    )
                    if one != two and max(before, key=before.get) == cue
                ]
                row.append(sum(own) / len(own) if own else math.nan)
            means.append(row)
    return means


def variation_by_loops(rows):
    """Total variation of a list of rows."""
    total = 0.0
    for row in range(len(rows)):
        for column in range(len(rows[0])):
            if row:
                total += abs(rows[row][column] - rows[row - 1][column])
            if column:
                total += abs(rows[row][column] - rows[row][column - 1])
    return total


def top_images_by_sorting(model, batches, number):
    """(layer, channel) to its best (activation, image, row, column), image by image."""
    result = {}
    for layer, maps in activations(model, batches).items():
        for channel in range(maps[0].shape[0]):
            best = []
            for image, one in enumerate(maps):
                rows = one[channel].tolist()
                places = [(r, c) for r in range(len(rows)) for c in range(len(rows[0]))]
                row, column = max(places, key=lambda place: rows[place[0]][place[1]])
                best.append((rows[row][column], image, row, column))
            result[layer, channel] = sorted(best, key=lambda one: -one[0])[:number]
    return result


@torch.no_grad()
def seen_by_poisoning(model, layer, image, *, axis):
    """First and last line of an image (rows or columns) that each line of a layer's map sees.

    One line of the image after another is made not a number, and whatever is computed from it
    becomes that as well. In double precision, as the fast convolutions of single precision mix
    places that do not see each other.
    """
    model = model.eval().double()
    seen = {}
    for line in range(image.shape[1 + axis]):
        poisoned = image[None].double()
        poisoned.select(2 + axis, line).fill_(torch.nan)
        maps = next(maps for name, maps in model.walk(poisoned) if name == layer)
        wrong = maps[0].isnan().any(dim=0).any(dim=1 - axis)
        for place in wrong.nonzero().flatten().tolist():
            seen.setdefault(place, []).append(line)
    return {place: (min(lines), max(lines)) for place, lines in seen.items()}
