"""Writers of CIFAR's official layouts, for tests."""

import io
import pickle
import tarfile
from typing import ClassVar

import numpy as np

CLASSES = {"cifar10": 10, "cifar100": 100}


def content(name, n_train, n_test):
    """Random pixels (n, 3, 32, 32) and labels that meet every class: train and test."""
    rng = np.random.default_rng(7)

    def part(n):
        labels = np.arange(n) % CLASSES[name]
        return rng.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8), labels

    return part(n_train), part(n_test)


def write_binary(folder, name, train, test):
    inner = folder / ("cifar-10-batches-bin" if name == "cifar10" else "cifar-100-binary")
    inner.mkdir(parents=True)

    def rows(pixels, labels):
        columns = [labels] if name == "cifar10" else [labels // 5, labels]
        return np.concatenate([np.stack(columns, 1).astype(np.uint8), pixels.reshape(len(pixels), -1)], 1).tobytes()

    names = "".join(f"class {c}\n" for c in range(CLASSES[name]))
    if name == "cifar10":
        for i, (p, y) in enumerate(zip(np.split(train[0], 5), np.split(train[1], 5), strict=True)):
            (inner / f"data_batch_{i + 1}.bin").write_bytes(rows(p, y))
        (inner / "test_batch.bin").write_bytes(rows(*test))
        (inner / "batches.meta.txt").write_text(names + "\n")
    else:
        (inner / "train.bin").write_bytes(rows(*train))
        (inner / "test.bin").write_bytes(rows(*test))
        (inner / "fine_label_names.txt").write_text(names)
        (inner / "coarse_label_names.txt").write_text("".join(f"superclass {c}\n" for c in range(20)))
    return inner


class Python2Pickler(pickle._Pickler):
    """Writes strings as Python 2 did: that is how the published files are."""

    dispatch: ClassVar[dict] = dict(pickle._Pickler.dispatch)

    def save_bytes(self, value):
        self.write(pickle.BINSTRING + len(value).to_bytes(4, "little") + value)

    dispatch[bytes] = save_bytes


def dump(value, protocol):
    if protocol != "python2":
        return pickle.dumps(value, protocol=protocol)
    stream = io.BytesIO()
    Python2Pickler(stream, protocol=2).dump(value)
    return stream.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def write_python(folder, name, train, test, protocol):
    inner = folder / ("cifar-10-batches-py" if name == "cifar10" else "cifar-100-python")
    inner.mkdir(parents=True)
    keys = ("labels", "label_names") if name == "cifar10" else ("fine_labels", "fine_label_names")

    def text(word):
        return word.encode() if protocol == "python2" else word

    def write(file, value):
        (inner / file).write_bytes(dump({text(k): v for k, v in value.items()}, protocol))

    def rows(pixels, labels):
        found = {"data": pixels.reshape(len(pixels), -1), keys[0]: labels.tolist(), "batch_label": text("one of them")}
        return found if name == "cifar10" else found | {"coarse_labels": (labels // 5).tolist()}

    names = {keys[1]: [text(f"class {c}") for c in range(CLASSES[name])]}
    names["coarse_label_names"] = [text(f"superclass {c}") for c in range(20)]
    if name == "cifar10":
        for i, (p, y) in enumerate(zip(np.split(train[0], 5), np.split(train[1], 5), strict=True)):
            write(f"data_batch_{i + 1}", rows(p, y))
        write("test_batch", rows(*test))
        write("batches.meta", names)
    else:
        write("train", rows(*train))
        write("test", rows(*test))
        write("meta", names)
    return inner


def compress(inner, archive):
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(inner, arcname=inner.name)
    return archive


def check_equal(found, name, train, test):
    assert found.class_names == tuple(f"class {c}" for c in range(CLASSES[name]))
    for images, labels, (pixels, expected) in (
        (found.train_images, found.train_labels, train),
        (found.test_images, found.test_labels, test),
    ):
        np.testing.assert_array_equal(images, np.moveaxis(pixels, 1, 3))
        np.testing.assert_array_equal(labels, expected)
