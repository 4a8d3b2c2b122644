"""Slow, obvious implementations to compare the library with."""

import math

import torch
from torch.nn import functional


def threshold_by_sorting(values, quantile):
    """The (k + 1)-th largest value of a list, k = floor(quantile * N), for a Fraction."""
    return sorted(values, reverse=True)[math.floor(quantile * len(values))]


def upsampled_by_formula(rows, size):
    """Bilinear upsampling of a list of rows with half-pixel centres, pixel by pixel."""

    def source(target, length, target_length):
        return (target + 0.5) * length / target_length - 0.5

    return _upsampled(rows, size, (source, source))


def upsampled_by_centres(rows, size, fields, image):
    """Bilinear upsampling of a list of rows, each position at the centre of its field."""

    def source_of(axis):
        def source(target, length, target_length):
            # Pixel of the image at the centre of a pixel of the mask.
            pixel = (target + 0.5) * image[axis] / target_length - 0.5
            centre = fields[axis].start + (fields[axis].size - 1) / 2
            return (pixel - centre) / fields[axis].stride

        return source

    return _upsampled(rows, size, (source_of(0), source_of(1)))


def _upsampled(rows, size, sources):
    def neighbours(position, length):
        position = min(max(position, 0), length - 1)
        low = int(position)
        return low, min(low + 1, length - 1), position - low

    result = []
    for row in range(size[0]):
        top, bottom, v = neighbours(sources[0](row, len(rows), size[0]), len(rows))
        line = []
        for column in range(size[1]):
            position = sources[1](column, len(rows[0]), size[1])
            left, right, h = neighbours(position, len(rows[0]))
            upper = rows[top][left] * (1 - h) + rows[top][right] * h
            lower = rows[bottom][left] * (1 - h) + rows[bottom][right] * h
            line.append(upper * (1 - v) + lower * v)
        result.append(line)
    return result


@torch.no_grad()
def activations(model, batches):
    """Layer to the maps of every image, one image at a time."""
    maps_of = {}
    for batch in batches:
        for image in batch.images:
            for layer, maps in model.eval().walk(image[None]):
                maps_of.setdefault(layer, []).append(maps[0].clone())
    return maps_of


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
    """(layer, channel) to its threshold, and the (I, A, T) of each concept, by sets of pixels.

    With receptive fields, by layer, masks are aligned with them.
    """
    image_shape = tuple(batches[0].images.shape[2:])
    primary = {number: category for number, _, category in concepts}
    images = labelled_pixels(batches)
    result = {}
    for layer, maps in activations(model, batches).items():
        for channel in range(maps[0].shape[0]):
            values = [value for of_image in maps for value in of_image[channel].flatten().tolist()]
            threshold = threshold_by_sorting(values, quantile)
            masks = [
                _mask(of_image[channel], size, threshold, fields and fields[layer], image_shape)
                for of_image, (size, _) in zip(maps, images, strict=True)
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
        # Between powers of two the weights, and so the formula, are exact.
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
        of_concept, of_category = set(), set()
        for (map_category, label), labelled in pixels.items():
            if label == number:
                of_concept |= labelled
            if map_category == category or primary.get(label) == category:
                of_category |= labelled
        intersection += len(mask & of_concept)
        truth += len(of_concept)
        counts = {
            "all_images": True,
            "labelled_images": of_category,
            "inside_mask": mask & of_category,
        }
        activated += len(mask) if counts[area] else 0
    return intersection, activated, truth


@torch.no_grad()
def flips_by_full_runs(model, images, image_ids, shapes, textures, decide, channels=None):
    """(layer, channel, image id, before, after) of every flip, from runs of the whole network."""
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
def changes_by_full_runs(model, images, shapes, textures, probabilities):
    """For each channel, mean change of the probability of the cue's class over the images decided
    by that cue: by shape, by texture; NaN if there are none.
    """
    model.eval()
    unablated = probabilities(model(images))
    means = []
    for layer, number in model.channels().items():
        for channel in range(number):
            with model.ablated(layer, [channel]):
                ablated = probabilities(model(images))
            row = []
            for cues in (shapes, textures):
                changes = [
                    after[cue] - before[cue]
                    for before, after, cue, shape, texture in zip(
                        unablated, ablated, cues, shapes, textures, strict=True
                    )
                    if shape != texture and max(before, key=before.get) == cue
                ]
                row.append(sum(changes) / len(changes) if changes else math.nan)
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
    """(layer, channel) to its top (activation, image, row, column), image by image."""
    result = {}
    for layer, maps in activations(model, batches).items():
        for channel in range(maps[0].shape[0]):
            top = []
            for image, of_image in enumerate(maps):
                rows = of_image[channel].tolist()
                positions = [(r, c) for r in range(len(rows)) for c in range(len(rows[0]))]
                row, column = max(positions, key=lambda position: rows[position[0]][position[1]])
                top.append((rows[row][column], image, row, column))
            result[layer, channel] = sorted(top, key=lambda entry: -entry[0])[:number]
    return result


@torch.no_grad()
def fields_by_poisoning(model, layer, image, *, axis):
    """First and last line of an image (row or column) that affect each line of a layer's map.

    One line of the image at a time is set to NaN, and so is every value computed from it. Computed
    in double precision, because fast convolutions in single precision mix unrelated positions.
    """
    model = model.eval().double()
    lines_of = {}
    for line in range(image.shape[1 + axis]):
        poisoned = image[None].double()
        poisoned.select(2 + axis, line).fill_(torch.nan)
        maps = next(maps for name, maps in model.walk(poisoned) if name == layer)
        affected = maps[0].isnan().any(dim=0).any(dim=1 - axis)
        for position in affected.nonzero().flatten().tolist():
            lines_of.setdefault(position, []).append(line)
    return {position: (min(lines), max(lines)) for position, lines in lines_of.items()}
