"""Miniature copies of published layouts."""

import io
import json
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from scipy.io import savemat

from shapebias.io.image_codec import encode_png


def picture(seed=0, rows=40, columns=60):
    return np.random.default_rng(seed).integers(0, 256, (rows, columns, 3), dtype=np.uint8)


def file_of(image, kind="PNG", **settings):
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, kind, **settings)
    return file.getvalue()


def put(folder, name, data=None):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(picture()) if data is None else data)
    return path


def devkit(root, synsets, truth):
    """Development kit of ILSVRC2012; `synsets` in the order of its numbers, `truth` numbers."""
    folder = root / "ILSVRC2012_devkit_t12/data"
    folder.mkdir(parents=True)
    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
    rows = [(number, synset, "a word", 0) for number, synset in enumerate(synsets, start=1)]
    # Numbers beyond 1,000 are inner nodes in the published file.
    rows.append((len(rows) + 1, "n00001740", "entity", 2))
    savemat(folder / "meta.mat", {"synsets": np.array(rows, dtype=kinds).reshape(-1, 1)})
    text = "".join(f"{number}\n" for number in truth)
    (folder / "ILSVRC2012_validation_ground_truth.txt").write_text(text)


def python2_pickle(value):
    """Pickle with the names and text types that the published batches have."""
    data = pickle.dumps(value, protocol=2)
    return data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def cifar10(folder, images=3):
    """CIFAR-10 of so many images a batch; gives the pixels of all batches."""
    rng = np.random.default_rng(0)
    classes = [b"airplane", b"automobile", b"bird"]
    put(folder, "batches.meta", python2_pickle({b"label_names": classes}))
    found = {}
    for name in [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]:
        data = rng.integers(0, 256, (images, 3072), dtype=np.uint8)
        labels = rng.integers(0, 3, images).tolist()
        files = [f"{name}_{n}.png".encode() for n in range(images)]
        batch = {b"data": data, b"labels": labels, b"filenames": files, b"batch_label": b"a"}
        put(folder, name, python2_pickle(batch))
        found[name] = (data, [classes[label].decode() for label in labels])
    return found


def shard(path, images, labels, *, names=None, rows_a_group=None):
    """Parquet file in the Hugging Face convention; an image is bytes or None."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"bytes": image, "path": f"{n}.png"} for n, image in enumerate(images)]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"image": pa.array(rows, kind), "label": labels})
    features = {"image": {"_type": "Image"}}
    if names:
        features["label"] = {"names": names, "_type": "ClassLabel"}
    note = json.dumps({"info": {"features": features}})
    pq.write_table(
        table.replace_schema_metadata({"huggingface": note}), path, row_group_size=rows_a_group
    )


def label_png(numbers):
    """Label map as Broden stores it: red + 256 green."""
    numbers = np.asarray(numbers, dtype=np.uint16)
    blue = np.zeros_like(numbers)
    return encode_png(np.stack([numbers % 256, numbers // 256, blue], axis=-1).astype(np.uint8))
