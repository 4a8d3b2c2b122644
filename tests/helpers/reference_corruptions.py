"""Slow references of the published corruptions of ImageNet-C.

Each function takes pixels, a severity and a generator, draws in the published order, and returns
values in [0, 255] before they are truncated to 8 bits.
"""

import colorsys
import io
from math import ceil, cos, exp, floor, hypot, radians, sin

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter


def at(line, place, border):
    """Return an element of a line at an index that may be beyond its ends."""
    last = len(line) - 1
    if border == "nearest":
        return line[min(max(place, 0), last)]
    while not 0 <= place <= last:
        step = 0 if border == "mirror" else 1
        place = -place - step if place < 0 else 2 * last - place + step
        if last == 0:
            place = 0
    return line[place]


def blurred_line(line, sigma, truncate, border):
    radius = int(truncate * sigma + 0.5)
    weights = [exp(-(k**2) / (2 * sigma**2)) for k in range(-radius, radius + 1)]
    steps = range(-radius, radius + 1)
    return [
        sum(w * at(line, i + k, border) for w, k in zip(weights, steps, strict=True)) / sum(weights)
        for i in range(len(line))
    ]


def blurred(image, sigma, truncate=4, border="nearest"):
    for axis in (0, 1):
        image = np.apply_along_axis(blurred_line, axis, image, sigma, truncate, border)
    return image


def filtered(plane, kernel):
    """Correlate with a kernel, the plane mirrored about its edge pixels."""
    reach = len(kernel) // 2
    rows, columns = plane.shape
    result = np.zeros(plane.shape)
    for i in range(rows):
        for j in range(columns):
            for di in range(-reach, reach + 1):
                line = at(plane, i + di, "mirror")
                for dj in range(-reach, reach + 1):
                    result[i, j] += kernel[di + reach][dj + reach] * at(line, j + dj, "mirror")
    return result


def zoomed(plane, factor):
    for axis in (0, 1):
        size = plane.shape[axis]
        cropped = ceil(size / factor)
        first = (size - cropped) // 2
        enlarged = round(cropped * factor)
        trim = (enlarged - size) // 2
        positions = np.linspace(0, cropped - 1, enlarged)[trim : trim + size]
        centre = np.take(plane, range(first, first + cropped), axis)
        plane = np.apply_along_axis(
            lambda line, positions=positions: np.interp(positions, range(len(line)), line),
            axis,
            centre,
        )
    return plane


def motion_blurred(image, radius, sigma, angle):
    """Blur as ImageMagick does: round to 16-bit levels, then to 8 bits."""
    width = 2 * radius + 1
    weights = [exp(-(i**2) / (2 * sigma**2)) for i in range(width)]
    y, x = width * sin(radians(angle)), width * cos(radians(angle))
    total = np.zeros(image.shape)
    for i, weight in enumerate(weights):
        down = ceil(i * y / hypot(x, y) - 0.5)
        right = ceil(i * x / hypot(x, y) - 0.5)
        rows = np.clip(np.arange(image.shape[0]) + down, 0, image.shape[0] - 1)
        columns = np.clip(np.arange(image.shape[1]) + right, 0, image.shape[1] - 1)
        total += weight / sum(weights) * 257 * image[rows][:, columns]
    quanta = np.floor(total + 0.5).astype(int)
    return (quanta + 128 - ((quanta + 128) >> 8)) >> 8


def gaussian_noise(pixels, severity, rng):
    c = [0.08, 0.12, 0.18, 0.26, 0.38][severity - 1]
    return np.clip(pixels / 255 + rng.normal(0, c, pixels.shape), 0, 1) * 255


def shot_noise(pixels, severity, rng):
    c = [60, 25, 12, 5, 3][severity - 1]
    return np.clip(rng.poisson(pixels / 255 * c) / c, 0, 1) * 255


def impulse_noise(pixels, severity, rng):
    c = [0.03, 0.06, 0.09, 0.17, 0.27][severity - 1]
    hit, salt = rng.random(pixels.shape), rng.random(pixels.shape)
    noisy = pixels.astype(float)
    noisy[(hit <= c) & (salt <= 0.5)] = 255
    noisy[(hit <= c) & (salt > 0.5)] = 0
    return noisy


def speckle_noise(pixels, severity, rng):
    c = [0.15, 0.2, 0.35, 0.45, 0.6][severity - 1]
    x = pixels / 255
    return np.clip(x + x * rng.normal(0, c, x.shape), 0, 1) * 255


def gaussian_blur(pixels, severity, rng):
    c = [1, 2, 3, 4, 6][severity - 1]
    return np.clip(blurred(pixels / 255, c), 0, 1) * 255


def glass_blur(pixels, severity, rng):
    sigma, reach, rounds = [(0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)][
        severity - 1
    ]
    # Truncation makes the last bit matter, so this is the published filter itself.
    x = np.uint8(gaussian_filter(pixels / 255, (sigma, sigma, 0), mode="nearest") * 255)
    rows, columns, _ = x.shape
    for _ in range(rounds):
        for row in range(rows - reach, reach, -1):
            for column in range(columns - reach, reach, -1):
                dx, dy = rng.integers(-reach, reach, 2)
                # The published swap of two views only copies.
                x[row, column] = x[row + dy, column + dx]
    return np.clip(blurred(x / 255, sigma), 0, 1) * 255


def defocus_blur(pixels, severity, rng):
    radius, softness = [(3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)][severity - 1]
    reach = max(8, radius)
    span = range(-reach, reach + 1)
    disk = np.array([[float(x * x + y * y <= radius * radius) for x in span] for y in span])
    disk /= disk.sum()
    taps = 1 if radius <= 8 else 2
    weights = [exp(-(k**2) / (2 * softness**2)) for k in range(-taps, taps + 1)]
    soft = np.outer(weights, weights) / sum(weights) ** 2
    kernel = filtered(disk, soft)
    planes = [filtered(pixels[..., colour] / 255, kernel) for colour in range(3)]
    return np.clip(np.stack(planes, axis=-1), 0, 1) * 255


def motion_blur(pixels, severity, rng):
    radius, sigma = [(10, 3), (15, 5), (15, 8), (15, 12), (20, 15)][severity - 1]
    return motion_blurred(pixels, radius, sigma, rng.uniform(-45, 45))


def zoom_blur(pixels, severity, rng):
    factors = [
        np.arange(1, 1.11, 0.01),
        np.arange(1, 1.16, 0.01),
        np.arange(1, 1.21, 0.02),
        np.arange(1, 1.26, 0.02),
        np.arange(1, 1.31, 0.03),
    ][severity - 1]
    x = pixels / 255
    total = x + sum(zoomed(x, factor) for factor in factors)
    return np.clip(total / (len(factors) + 1), 0, 1) * 255


def snow(pixels, severity, rng):
    c = [
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ][severity - 1]
    x = pixels / 255
    layer = zoomed(rng.normal(c[0], c[1], x.shape[:2]), c[2])
    layer[layer < c[3]] = 0
    layer = (np.clip(layer, 0, 1) * 255).astype(np.uint8)
    layer = motion_blurred(layer, c[4], c[5], rng.uniform(-135, -45))[..., None] / 255
    grey = (0.299 * x[..., 0] + 0.587 * x[..., 1] + 0.114 * x[..., 2])[..., None]
    x = c[6] * x + (1 - c[6]) * np.maximum(x, grey * 1.5 + 0.5)
    return np.clip(x + layer + np.rot90(layer, 2), 0, 1) * 255


def plasma(side, decay, rng):
    height, step, wibble = np.zeros((side, side)), side, 100
    while step >= 2:
        half, cells = step // 2, range(0, side, step)
        count = len(cells)

        def mean(places, noise, wibble=wibble):
            return sum(height[i % side, j % side] for i, j in places) / 4 + wibble * noise

        noise = rng.uniform(-wibble, wibble, (count, count))
        for a, i in enumerate(cells):
            for b, j in enumerate(cells):
                corners = [(i, j), (i + step, j), (i, j + step), (i + step, j + step)]
                height[i + half, j + half] = mean(corners, noise[a, b])
        for down, right in ((0, half), (half, 0)):
            noise = rng.uniform(-wibble, wibble, (count, count))
            for a, i in enumerate(cells):
                for b, j in enumerate(cells):
                    y, x = i + down, j + right
                    around = [(y - half, x), (y + half, x), (y, x - half), (y, x + half)]
                    height[y, x] = mean(around, noise[a, b])
        step, wibble = half, wibble / decay
    return (height - height.min()) / (height.max() - height.min())


def fog(pixels, severity, rng):
    strength, decay = [(1.5, 2), (2.0, 2), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)][severity - 1]
    rows, columns, _ = pixels.shape
    side = 2
    while side < max(rows, columns):
        side *= 2
    x = pixels / 255
    brightest = x.max()
    x = x + strength * plasma(side, decay, rng)[:rows, :columns, None]
    return np.clip(x * brightest / (brightest + strength), 0, 1) * 255


def frost(pixels, severity, rng, pictures):
    c = [(1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)][severity - 1]
    picture = pictures[rng.integers(5)]
    rows, columns, _ = pixels.shape
    row = rng.integers(0, picture.shape[0] - rows)
    column = rng.integers(0, picture.shape[1] - columns)
    part = picture[row : row + rows, column : column + columns]
    return np.clip(c[0] * pixels + c[1] * part, 0, 255)


def with_hsv(pixels, change):
    """Change the hue, saturation and value of an image pixel by pixel."""
    colours = [
        colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*colour)))
        for colour in (pixels.reshape(-1, 3) / 255).tolist()
    ]
    return np.clip(np.reshape(colours, pixels.shape), 0, 1) * 255


def brightness(pixels, severity, rng):
    c = [0.1, 0.2, 0.3, 0.4, 0.5][severity - 1]
    return with_hsv(pixels, lambda h, s, v: (h, s, min(max(v + c, 0), 1)))


def saturate(pixels, severity, rng):
    factor, constant = [(0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)][severity - 1]
    return with_hsv(pixels, lambda h, s, v: (h, min(max(s * factor + constant, 0), 1), v))


def contrast(pixels, severity, rng):
    c = [0.4, 0.3, 0.2, 0.1, 0.05][severity - 1]
    x = pixels / 255
    mean = x.mean(axis=(0, 1), keepdims=True)
    return np.clip((x - mean) * c + mean, 0, 1) * 255


def pixelate(pixels, severity, rng):
    c = [0.6, 0.5, 0.4, 0.3, 0.25][severity - 1]
    rows, columns, _ = pixels.shape
    small = Image.fromarray(pixels).resize((int(columns * c), int(rows * c)), Image.BOX)
    return np.array(small.resize((columns, rows), Image.BOX))


def jpeg_compression(pixels, severity, rng):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=[25, 18, 15, 10, 7][severity - 1])
    return np.array(Image.open(file))


def interpolated(plane, y, x, border):
    row, column = floor(y), floor(x)
    mean = 0.0
    for i, share in ((row, 1 - (y - row)), (row + 1, y - row)):
        line = at(plane, i, border)
        left, right = at(line, column, border), at(line, column + 1, border)
        mean += share * ((1 - (x - column)) * left + (x - column) * right)
    return mean


def elastic_transform(pixels, severity, rng):
    side = 244 / 224 * min(pixels.shape[:2])
    c = [(2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02)][
        severity - 1
    ]
    strength, smoothness, reach = (side * share for share in c)
    rows, columns, _ = pixels.shape
    cx, cy, size = columns // 2, rows // 2, min(rows, columns) // 3
    before = np.array([[cx + size, cy + size], [cx + size, cy - size], [cx - size, cy - size]])
    after = before + rng.uniform(-reach, reach, (3, 2))
    square = np.vstack([np.hstack([before, np.ones((3, 1))])])
    inverse = np.linalg.inv(np.vstack([np.linalg.solve(square, after).T, [0, 0, 1]]))
    image = pixels / 255
    warped = np.zeros(image.shape)
    for y in range(rows):
        for x in range(columns):
            # OpenCV's fixed point: 1/1024 of a pixel, then 1/32.
            sx, sy = (
                ((round(m[0] * x * 1024) + round((m[1] * y + m[2]) * 1024) + 16) >> 5) / 32
                for m in inverse[:2]
            )
            for colour in range(3):
                warped[y, x, colour] = interpolated(image[..., colour], sy, sx, "mirror")
    dx = blurred(rng.uniform(-1, 1, (rows, columns)), smoothness, 3, "reflect") * strength
    dy = blurred(rng.uniform(-1, 1, (rows, columns)), smoothness, 3, "reflect") * strength
    bent = np.zeros(image.shape)
    for y in range(rows):
        for x in range(columns):
            for colour in range(3):
                place = (y + dy[y, x], x + dx[y, x])
                bent[y, x, colour] = interpolated(warped[..., colour], *place, "reflect")
    return np.clip(bent, 0, 1) * 255


def canny(grey, low, high):
    rows, columns = grey.shape
    gx, gy = np.zeros(grey.shape, int), np.zeros(grey.shape, int)
    for i in range(rows):
        for j in range(columns):
            near = [
                [int(at(at(grey, i + a, "nearest"), j + b, "nearest")) for b in (-1, 0, 1)]
                for a in (-1, 0, 1)
            ]
            gx[i, j] = sum(w * (near[k][2] - near[k][0]) for k, w in enumerate((1, 2, 1)))
            gy[i, j] = sum(w * (near[2][k] - near[0][k]) for k, w in enumerate((1, 2, 1)))
    strength = np.abs(gx) + np.abs(gy)
    around = np.pad(strength, 1)
    crest = np.zeros(grey.shape, bool)
    for i in range(rows):
        for j in range(columns):
            m, x, y = strength[i, j], gx[i, j], gy[i, j]
            steepness = abs(y) / abs(x) if x else np.inf
            if steepness < 13573 / 32768:
                step, strict = (0, 1), False
            elif steepness > 13573 / 32768 + 2:
                step, strict = (1, 0), False
            else:
                step, strict = (1, -1 if (x < 0) != (y < 0) else 1), True
            before = around[i + 1 - step[0], j + 1 - step[1]]
            after = around[i + 1 + step[0], j + 1 + step[1]]
            crest[i, j] = m > low and m > before and (m > after if strict else m >= after)
    edges = crest & (strength > high)
    grown = True
    while grown:
        wide = np.pad(edges, 1)
        near = sum(wide[a : a + rows, b : b + columns] for a in range(3) for b in range(3)) > 0
        grown = bool((near & crest & ~edges).any())
        edges |= near & crest
    return edges


def chamfer(edges):
    """Relax distances to the edges by steps of a 5 x 5 mask until none becomes shorter."""
    rows, columns = edges.shape
    distance = np.where(edges, 0, 10.0**6)
    moves = [(a, b, 1.0) for a, b in ((0, 1), (1, 0))] + [(1, 1, 1.4)]
    moves += [(1, 2, 2.1969), (2, 1, 2.1969)]
    moves = [(a * p, b * q, cost) for a, b, cost in moves for p in (-1, 1) for q in (-1, 1)]
    shorter = True
    while shorter:
        before = distance.copy()
        wide = np.pad(distance, 2, constant_values=10.0**6)
        for a, b, cost in moves:
            part = wide[2 + a : 2 + a + rows, 2 + b : 2 + b + columns]
            distance = np.minimum(distance, part + cost)
        shorter = bool((distance < before).any())
    return distance


def box(plane):
    return filtered(plane, np.full((3, 3), 1 / 9))


def spatter(pixels, severity, rng):
    c = [
        (0.65, 0.3, 4, 0.69, 0.6, 0),
        (0.65, 0.3, 3, 0.68, 0.6, 0),
        (0.65, 0.3, 2, 0.68, 0.5, 0),
        (0.65, 0.3, 1, 0.65, 1.5, 1),
        (0.67, 0.4, 1, 0.65, 1.5, 1),
    ][severity - 1]
    x = pixels / 255
    liquid = blurred(rng.normal(c[0], c[1], x.shape[:2]), c[2])
    liquid[liquid < c[3]] = 0
    if c[5]:
        cover = blurred((liquid > c[3]).astype(float), c[4])
        cover[cover < 0.8] = 0
        mud = np.array([63, 42, 20]) / 255
        return np.clip(x * (1 - cover[..., None]) + mud * cover[..., None], 0, 1) * 255
    liquid = (liquid * 255).astype(np.uint8)
    distance = np.minimum(chamfer(canny(liquid, 50, 150)), 20)
    heights = np.floor(box(distance) + 1e-5).astype(int)
    counts = [int((heights == level).sum()) for level in range(256)]
    lowest = next(level for level in range(256) if counts[level])
    if counts[lowest] < heights.size:
        spread = [
            255 * sum(counts[lowest + 1 : level + 1]) / (heights.size - counts[lowest])
            for level in range(256)
        ]
        heights = np.array([round(level) for level in spread])[heights]
    relief = filtered(heights, [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
    light = liquid * np.rint(box(np.clip(np.rint(relief), 0, 255)))
    light = light / light.max() * c[4] if light.max() else light
    water = np.array([175, 238, 238]) / 255
    return np.clip(x + light[..., None] * water, 0, 1) * 255
