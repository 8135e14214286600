"""Files of MNIST, CIFAR-10 and ImageNet: what is written is read, and what is broken is named and never trained on."""

import gzip
import hashlib
import io
import os
import pickle
import struct
import tarfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from adaptax.comparison.errors import InputError
from adaptax.comparison.task import checksum
from experiments.data import array_pickle, cifar10, imagenet, mnist, scaling, shorten_test, sources
from experiments.data.folder_commands import write_as_folder
from experiments.data.pipeline import PictureFolder

REAL = os.environ.get(sources.VARIABLE)
RANDOM = np.random.default_rng(0)
DIGITS = {"train": 7, "test": 3}  # so few pictures
PER_BATCH = 4


@pytest.fixture(autouse=True)
def small_and_offline(monkeypatch, tmp_path):
    """Expect few pictures, and find nothing to download."""
    monkeypatch.setattr(mnist, "COUNTS", DIGITS)
    monkeypatch.setattr(cifar10, "PER_BATCH", PER_BATCH)
    monkeypatch.setattr(mnist, "MIRRORS", ((tmp_path / "nowhere").as_uri(),))
    monkeypatch.setattr(cifar10, "BINARY", cifar10.BINARY._replace(urls=((tmp_path / "nowhere").as_uri(),)))


def idx(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_mnist(folder, compress):
    folder.mkdir(parents=True)
    written = {}
    for stem, count in (("train", 7), ("t10k", 3)):
        pictures = RANDOM.integers(256, size=(count, 28, 28), dtype=np.uint8)
        classes = RANDOM.permutation(10)[:count].astype(np.uint8)
        for name, array in ((f"{stem}-images-idx3-ubyte", pictures), (f"{stem}-labels-idx1-ubyte", classes)):
            content = gzip.compress(idx(array)) if compress else idx(array)
            (folder / (name + ".gz" * compress)).write_bytes(content)
            written[name] = array
    return written


@pytest.mark.parametrize("compress", [False, True])
def test_mnist_is_read_as_it_was_written(tmp_path, compress):
    written = write_mnist(tmp_path / "mnist", compress)
    data = mnist.load(tmp_path)
    for split, stem in (("train", "train"), ("test", "t10k")):
        np.testing.assert_array_equal(data[split].pictures, written[f"{stem}-images-idx3-ubyte"])
        np.testing.assert_array_equal(data[split].classes, written[f"{stem}-labels-idx1-ubyte"])
        assert data[split].pictures.dtype == np.uint8
        assert data[split].classes.dtype == np.int32


BROKEN_MNIST = {
    "truncated": (lambda whole: whole[:-1], "holds 5487 values where it announces 5488"),
    "longer": (lambda whole: whole + b"\0", "holds 5489 values where it announces 5488"),
    "short": (lambda whole: idx(np.zeros((6, 28, 28), np.uint8)), r"shape \(6, 28, 28\), not \(7, 28, 28\)"),
    "header": (lambda whole: whole[:9], "ends inside its header"),
    "magic": (lambda whole: b"\x89PNG" + whole[4:], "begins with '89504e47' where IDX has '00000803'"),
    "labels": (lambda whole: idx(np.zeros(7, np.uint8)), "begins with '00000801'"),
    "empty": (lambda whole: b"", "begins with ''"),
}


@pytest.mark.parametrize(("damage", "sentence"), BROKEN_MNIST.values(), ids=BROKEN_MNIST)
def test_a_broken_file_of_mnist_is_named(tmp_path, damage, sentence):
    write_mnist(tmp_path / "mnist", compress=False)
    file = tmp_path / "mnist" / "train-images-idx3-ubyte"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(InputError, match=rf"train-images-idx3-ubyte' .*{sentence}"):
        mnist.load(tmp_path)


@pytest.mark.parametrize("damage", [lambda packed: packed[:-9], lambda packed: b"no gzip", lambda packed: b""])
def test_a_broken_compressed_file_is_named(tmp_path, damage):
    write_mnist(tmp_path / "mnist", compress=True)
    file = tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(InputError, match=r"t10k-labels-idx1-ubyte\.gz"):
        mnist.load(tmp_path)


def test_a_digit_above_nine_is_refused(tmp_path):
    write_mnist(tmp_path / "mnist", compress=False)
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte").write_bytes(idx(np.array([1, 10, 2], np.uint8)))
    with pytest.raises(InputError, match="t10k-labels-idx1-ubyte' holds the label 10"):
        mnist.load(tmp_path)


def test_a_missing_file_beside_others_is_not_downloaded(tmp_path):
    write_mnist(tmp_path / "mnist", compress=True)
    (tmp_path / "mnist" / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InputError, match="no 'train-labels-idx1-ubyte'"):
        mnist.load(tmp_path)


def test_validation_is_the_end_of_training(tmp_path):
    write_mnist(tmp_path / "mnist", compress=True)
    whole, cut = mnist.load(tmp_path), mnist.load(tmp_path, validation=2)
    for k in range(2):
        np.testing.assert_array_equal(cut["train"][k], whole["train"][k][:5])
        np.testing.assert_array_equal(cut["validation"][k], whole["train"][k][5:])
    assert checksum(cut) != checksum(whole)
    for size in (-1, 7):
        with pytest.raises(InputError, match=f"from 0 to 6 of the 7 training pictures, got {size}"):
            mnist.load(tmp_path, validation=size)


def test_a_shorter_test_set_is_its_beginning_and_training_stays_whole(tmp_path):
    write_mnist(tmp_path / "mnist", compress=True)
    whole = mnist.load(tmp_path)
    short = shorten_test(whole, 2)
    for k in range(2):
        np.testing.assert_array_equal(short["test"][k], whole["test"][k][:2])
        np.testing.assert_array_equal(short["train"][k], whole["train"][k])


def test_the_data_folder_is_argument_then_variable_then_default(tmp_path, monkeypatch):
    monkeypatch.setenv("ADAPTAX_DATA", str(tmp_path))
    assert sources.data_folder() == tmp_path
    assert sources.data_folder("elsewhere") == Path("elsewhere")
    monkeypatch.delenv("ADAPTAX_DATA")
    assert sources.data_folder() == Path.home() / ".cache" / "adaptax"


def publish(folder, content):
    (folder / "published").write_bytes(content)
    return sources.Published("sub/file", hashlib.md5(content).hexdigest(), ((folder / "published").as_uri(),))


def test_a_missing_file_is_downloaded_and_checked(tmp_path, capsys):
    file = publish(tmp_path, b"content")
    sources.fetch([file._replace(urls=((tmp_path / "nowhere").as_uri(), *file.urls))], tmp_path / "data")
    assert (tmp_path / "data" / "sub" / "file").read_bytes() == b"content"
    assert "7/7 bytes" in capsys.readouterr().out


def test_a_download_with_another_checksum_leaves_nothing(tmp_path):
    good = publish(tmp_path, b"content")
    bad = good._replace(name="other", md5="0" * 32)
    with pytest.raises(InputError, match=r"no 'other' .* has MD5 9a0364b9e99bb480dd25e1f0284c8555 instead of 000"):
        sources.fetch([good, bad], tmp_path / "data")
    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("load", "name"), [(mnist.load, "mnist/train-images-idx3-ubyte.gz"), (cifar10.load, "cifar-10-binary.tar.gz")]
)
def test_offline_one_sentence_says_what_to_put_where(tmp_path, load, name):
    with pytest.raises(InputError, match=rf"no '{name}' in '{tmp_path}/data' .*; get it from .* and put it there\.$"):
        load(tmp_path / "data")


def write_cifar(folder, batch):
    """Write six batches with `batch(pixels, labels)`: planes one after the other, rows within them."""
    folder.mkdir()
    suffix = ".bin" if folder.name.endswith("bin") else ""
    written = {}
    for name in [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]:
        pictures = RANDOM.integers(256, size=(PER_BATCH, 32, 32, 3), dtype=np.uint8)
        labels = RANDOM.integers(10, size=PER_BATCH).tolist()
        planes = [b"".join(picture[:, :, channel].tobytes() for channel in range(3)) for picture in pictures]
        (folder / (name + suffix)).write_bytes(batch(planes, labels))
        written[name] = pictures, labels
    (folder / "batches.meta").write_bytes(b"not read")
    return written


def binary(planes, labels):
    return b"".join(bytes([label]) + of_one for label, of_one in zip(labels, planes, strict=True))


def pickle_of_python_2(planes, labels):
    """Spell what Python 2 and its NumPy wrote, opcode by opcode."""
    content = b"".join(planes)
    shape = b"J" + struct.pack("<i", len(planes)) + b"M\x00\x0c\x86"
    kind = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    array += b"(K\x01" + shape + kind + b"\x89T" + struct.pack("<i", len(content)) + content + b"tb"
    items = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(U\x04data" + array + b"U\x06labels" + items + b"u."


def pickle_of_today(protocol, labels_as):
    def batch(planes, labels):
        pixels = np.frombuffer(b"".join(planes), np.uint8).reshape(len(planes), 3072)
        return pickle.dumps({"data": pixels, "labels": labels_as(labels)}, protocol)

    return batch


LAYOUTS = {
    "binary": ("cifar-10-batches-bin", "cifar-10-binary.tar.gz", binary),
    "python 2": ("cifar-10-batches-py", "cifar-10-python.tar.gz", pickle_of_python_2),
    **{
        f"protocol {protocol}": ("cifar-10-batches-py", "cifar-10-python.tar.gz", pickle_of_today(protocol, np.array))
        for protocol in (2, 4, 5)
    },
    "big-endian": (
        "cifar-10-batches-py",
        "cifar-10-python.tar.gz",
        pickle_of_today(4, lambda labels: np.array(labels, ">i4")),
    ),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("folder", "archive", "batch"), LAYOUTS.values(), ids=LAYOUTS)
def test_cifar_is_read_as_it_was_written(tmp_path, folder, archive, batch, packed):
    written = write_cifar(tmp_path / folder, batch)
    if packed:
        with tarfile.open(tmp_path / archive, "w:gz") as file:
            file.add(tmp_path / folder, folder)
        (tmp_path / folder).rename(tmp_path / "away")
    data = cifar10.load(tmp_path)
    train = [written[f"data_batch_{k}"] for k in range(1, 6)]
    np.testing.assert_array_equal(data["train"].pictures, np.concatenate([pictures for pictures, _ in train]))
    np.testing.assert_array_equal(data["train"].classes, np.concatenate([labels for _, labels in train]))
    np.testing.assert_array_equal(data["test"].pictures, written["test_batch"][0])
    assert data["test"].pictures.dtype == np.uint8
    assert data["test"].classes.dtype == np.int32


PLANES = [bytes(3072)] * PER_BATCH
LABELS = [1] * PER_BATCH
BROKEN_CIFAR = {
    "truncated": ("bin", binary(PLANES, LABELS)[:-1], "12291 bytes instead of 12292"),
    "short": ("bin", binary(PLANES[:3], LABELS[:3]), "9219 bytes instead of 12292"),
    "label": ("bin", binary(PLANES, [1, 2, 10, 3]), "labels outside 0 to 9"),
    "short pickle": ("py", pickle_of_python_2(PLANES[:3], LABELS[:3]), r"shape \(3, 3072\)"),
    "few labels": ("py", pickle_of_python_2(PLANES, LABELS[:3]), r"labels of shape \(3,\)"),
    "label of a pickle": ("py", pickle_of_python_2(PLANES, [1, 2, 10, 3]), "labels outside 0 to 9"),
    "negative label": ("py", pickle_of_today(4, np.array)(PLANES, [1, -1, 0, 3]), "labels outside 0 to 9"),
    "no dictionary": ("py", pickle.dumps([1]), "AttributeError"),
    "objects": ("py", pickle.dumps({"data": np.array([{}], object)}), "an array of type 'O8'"),
    "floats": ("py", pickle.dumps({"data": np.zeros((4, 3072))}), "an array of type 'f8'"),
    "wrong size": (
        "py",
        pickle_of_python_2(PLANES, LABELS).replace(b"M\x00\x0c", b"M\x00\x0d"),
        "for an array of shape",
    ),
}


@pytest.mark.parametrize(("kind", "content", "sentence"), BROKEN_CIFAR.values(), ids=BROKEN_CIFAR)
def test_a_broken_batch_of_cifar_is_named(tmp_path, kind, content, sentence):
    folder = tmp_path / f"cifar-10-batches-{kind}"
    write_cifar(folder, binary if kind == "bin" else pickle_of_python_2)
    name = "data_batch_3" + ".bin" * (kind == "bin")
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"'{name}' in '{folder}' .*{sentence}"):
        cifar10.load(tmp_path)
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"no '{name}' in '{folder}'"):
        cifar10.load(tmp_path)


class OverBytes:
    """An array of objects over bytes of the file's choice: NumPy makes it, and to read it follows wild pointers."""

    def __reduce__(self):  # noqa: D105
        return np.ndarray, ((1,), np.dtype(np.uint8), bytes(8))


def test_no_array_is_made_over_a_buffer_of_the_files_choice():
    made = array_pickle.loads(pickle.dumps({"data": OverBytes()}))["data"]
    assert made.shape == (0,)
    with pytest.raises(pickle.UnpicklingError, match="an array of type 'O8'"):
        array_pickle.loads(pickle.dumps({"data": OverBytes(), "kind": np.dtype(object)}))


class Evil:
    def __reduce__(self):  # noqa: D105
        return os.mkdir, ("evil",)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_runs_nothing(tmp_path, monkeypatch, protocol):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pickle.UnpicklingError, match="mkdir, which is neither array nor plain container"):
        array_pickle.loads(pickle.dumps({"data": Evil()}, protocol))
    with pytest.raises(pickle.UnpicklingError, match="neither array nor plain"):
        array_pickle.loads(b"cnumpy\nload\n(U\x01xtR.")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("batch", [pickle_of_python_2, pickle_of_today(4, list), pickle_of_today(5, list)])
def test_a_pickle_cut_anywhere_is_refused(batch):
    whole = batch(PLANES[:1], LABELS[:1])
    array_pickle.loads(whole)
    for length in [*range(400), *range(len(whole) - 200, len(whole))]:
        with pytest.raises(pickle.UnpicklingError):
            array_pickle.loads(whole[:length])


@pytest.mark.parametrize("cut", [0, 10, 1000])
def test_a_broken_archive_is_named(tmp_path, cut):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        member = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
        member.size = 9000
        file.addfile(member, io.BytesIO(RANDOM.bytes(9000)))
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(buffer.getvalue()[:cut])
    with pytest.raises(InputError, match=r"cifar-10-binary\.tar\.gz' cannot be read"):
        cifar10.load(tmp_path)


def test_scalings_are_those_of_caffe():
    pictures = np.array([[[0, 255], [128, 3]], [[10, 255], [0, 4]]], np.uint8)  # (2, 2, 2)
    np.testing.assert_array_equal(scaling.by_256(jnp.array(pictures))[0], [[0, 255 / 256], [0.5, 3 / 256]])
    mean = scaling.mean_image(pictures)
    np.testing.assert_array_equal(mean, [[5, 255], [64, 3.5]])
    np.testing.assert_array_equal(scaling.minus_mean(jnp.array(pictures), jnp.array(mean))[1], [[5, 0], [-64, 0.5]])
    per_channel = scaling.minus_mean(jnp.array(pictures), jnp.array([1.0, 2.0]))
    np.testing.assert_array_equal(per_channel[0], [[-1, 253], [127, 1]])


def write_folder(root, classes, split, size=(9, 7)):
    for name in classes:
        (root / split / name).mkdir(parents=True)
        Image.new("RGB", size, (200, 100, int(name[1:]))).save(root / split / name / "a.JPEG", quality=100)


def test_classes_of_folders_are_numbered_in_their_sorted_order(tmp_path):
    write_folder(tmp_path, ["n20", "n03", "n100"], "train")
    write_folder(tmp_path, ["n20"], "val")
    data = imagenet.load(tmp_path).splits
    assert data["train"].classes == ("n03", "n100", "n20")
    assert data["train"].labels.tolist() == [0, 1, 2]
    assert data["test"].labels.tolist() == [2]
    for number, blue in enumerate((3, 100, 20)):
        picture, class_ = data["train"][number]
        assert (picture.shape, picture.dtype, class_) == ((256, 256, 3), np.uint8, number)
        np.testing.assert_allclose(picture.reshape(-1, 3), [[200, 100, blue]] * 256**2, atol=2)


def test_a_grey_picture_and_one_in_print_colors_become_red_green_blue(tmp_path):
    (tmp_path / "n1").mkdir()
    Image.new("L", (4, 4), 77).save(tmp_path / "n1" / "a.JPEG")
    Image.new("CMYK", (4, 4)).save(tmp_path / "n1" / "b.jpg")
    grey, white = (PictureFolder(tmp_path, size=4)[k].picture for k in range(2))
    assert grey.shape == white.shape == (4, 4, 3)
    np.testing.assert_allclose(grey, 77, atol=1)
    np.testing.assert_allclose(white, 255, atol=1)


def test_what_is_not_a_folder_of_pictures_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no folder 'train' .*get ILSVRC 2012 from https://image-net.org"):
        imagenet.load(tmp_path)
    write_folder(tmp_path, ["n1"], "train")
    write_folder(tmp_path, ["n2"], "val")
    with pytest.raises(InputError, match="val' has a class 'n2' that the training pictures do not have"):
        imagenet.load(tmp_path)
    (tmp_path / "train" / "n1" / "list.txt").touch()
    with pytest.raises(InputError, match=r"n1/list.txt' is not named as a picture"):
        imagenet.load(tmp_path)
    (tmp_path / "train" / "b.JPEG").touch()
    with pytest.raises(InputError, match=r"has 'b\.JPEG' beside or instead of one folder"):
        imagenet.load(tmp_path)
    (tmp_path / "empty" / "n1").mkdir(parents=True)
    with pytest.raises(InputError, match="n1' holds no picture"):
        PictureFolder(tmp_path / "empty")


def test_cifar_is_written_as_folders_of_pictures(tmp_path):
    write_cifar(tmp_path / "cifar-10-batches-bin", binary)
    small = cifar10.load(tmp_path)
    flat = {name: split._replace(pictures=split.pictures // 255 * 100 + 90) for name, split in small.items()}
    folder = write_as_folder(flat, tmp_path / "out", 64, limit=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cifar-10-batches-bin", "out"]
    for split, name in (("train", "train"), ("test", "val")):
        files = sorted(folder.glob(f"{name}/*/*.JPEG"), key=lambda path: int(path.stem.split("_")[1]))
        assert [int(file.parent.name[1:]) for file in files] == small[split].classes[:3].tolist()
        for file, picture in zip(files, flat[split].pictures, strict=False):
            with Image.open(file) as image:
                assert image.size == (64, 64)
                read = np.asarray(image.resize((32, 32), Image.Resampling.BOX), float)
            assert np.abs(read - picture).mean() < 3
    with pytest.raises(InputError, match="out' exists already"):
        write_as_folder(flat, folder)


@pytest.mark.skipif(not (REAL and Path(REAL, "mnist").exists()), reason="no MNIST in ADAPTAX_DATA")
def test_real_mnist_has_its_known_classes(monkeypatch):
    monkeypatch.undo()
    data = mnist.load()
    known = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(data["train"].classes).tolist() == known
    assert data["train"].classes[:5].tolist() == [5, 0, 4, 1, 9]
    assert data["test"].pictures.shape == (10_000, 28, 28)


@pytest.mark.skipif(not (REAL and any(Path(REAL).glob("cifar-10-*"))), reason="no CIFAR-10 in ADAPTAX_DATA")
def test_real_cifar_has_its_known_classes_and_mean(monkeypatch):
    monkeypatch.undo()
    data = cifar10.load()
    assert np.bincount(data["train"].classes).tolist() == [5_000] * 10
    assert np.bincount(data["test"].classes).tolist() == [1_000] * 10
    mean = scaling.mean_image(data["train"].pictures).mean(axis=(0, 1))
    np.testing.assert_allclose(mean, [125.3, 123.0, 113.9], atol=0.5)
