"""What lsalr_imagenet adds to Caffe's pieces, and the commands around it: folders written, read and timed."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from PIL import Image

from experiments.data import Split, cifar10
from experiments.engine import command_line
from experiments.engine.finder import paper as find

pytestmark = pytest.mark.slow

W = {"fc6": {"kernel": np.array([[0.5, -2.0]]), "bias": np.array([0.75])}}
G = {"fc6": {"kernel": np.array([[0.02, -0.03]]), "bias": np.array([0.06])}}


@pytest.mark.slow
@pytest.mark.parametrize(("contender", "base"), [("SGD", 0.01), ("SGD with LSALR", 0.006)])
def test_two_steps_are_those_of_caffes_solver(contender: str, base: float):
    """Decay on kernels alone, biases at twice the rate, momentum around both; LSALR of a layer with its decay."""
    optimizer = find("lsalr_imagenet").trials["alexnet"].contenders[contender]()
    params = {"fc6": {name: jnp.asarray(part, jnp.float32) for name, part in W["fc6"].items()}}
    gradients = {"fc6": {name: jnp.asarray(part, jnp.float32) for name, part in G["fc6"].items()}}
    state = optimizer.init(params)
    w, b, v, u = W["fc6"]["kernel"], W["fc6"]["bias"], 0.0, 0.0
    for _ in range(2):
        updates, state = optimizer.update(gradients, state, params)
        params = optax.apply_updates(params, updates)
        g, h = G["fc6"]["kernel"] + 0.0005 * w, G["fc6"]["bias"]
        norm = np.sqrt((g**2).sum() + (h**2).sum())
        r = base * (1 + np.log(1 + 1 / norm)) if "LSALR" in contender else base
        v, u = 0.9 * v + r * g, 0.9 * u + 2 * r * h
        w, b = w - v, b - u
    np.testing.assert_allclose(params["fc6"]["kernel"], w, rtol=1e-6)
    np.testing.assert_allclose(params["fc6"]["bias"], b, rtol=1e-6)


def test_the_smoke_run_differs_in_how_much_is_done_alone():
    smoke, whole = find("lsalr_imagenet_smoke"), find("lsalr_imagenet")
    assert (smoke.model, smoke.weights, smoke.scale) == (whole.model, whole.weights, whole.scale)
    assert smoke.trials["alexnet"].contenders == whole.trials["alexnet"].contenders
    assert smoke.trials["alexnet"].data == whole.trials["alexnet"].data


def test_folders_are_written_and_timed_by_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("HOME", str(tmp_path))
    random = np.random.default_rng(0)
    split = Split(random.integers(256, size=(80, 32, 32, 3), dtype=np.uint8), np.arange(80, dtype=np.int32) % 10)
    monkeypatch.setattr(cifar10, "load", lambda path: {"train": split, "test": split})
    folder = tmp_path / "pictures"
    command_line.main(["write-folders", "--out", str(folder), "--limit", "70"])
    assert len(list(folder.glob("*/*/*.JPEG"))) == 140
    with Image.open(folder / "val/n00000007/n00000007_27.JPEG") as picture:
        assert picture.size == (256, 256)
    command_line.main(["pipeline", "--data", str(folder), "--workers", "0", "--pictures", "64"])
    assert int(capsys.readouterr().out.splitlines()[-1].removeprefix("0 workers: ").split()[0]) > 0
    for options, sentence in (
        (["--workers", "-1"], "workers must be at least 0, got -1"),
        (["--pictures", "9"], "pictures must be at least 64, one batch, got 9"),
    ):
        with pytest.raises(SystemExit, match=f"^{sentence}\\.$"):
            command_line.main(["pipeline", "--data", str(folder), *options])
    with pytest.raises(SystemExit, match=r"^limit must be at least 1, got 0\.$"):
        command_line.main(["write-folders", "--out", str(tmp_path / "none"), "--limit", "0"])
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match=r"^The folder '[^\n]*' cannot be written: Not a directory\.$"):
        command_line.main(["write-folders", "--out", str(tmp_path / "file/out")])
