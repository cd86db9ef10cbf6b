"""Training: deterministic, resumable after any death, the same on several devices, and honest when it fails."""

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from flax import nnx

from experiments.cifar.augmentation import augment
from experiments.cifar.configuration import Configuration
from experiments.cifar.dataset import load
from experiments.cifar.defaults import complete
from experiments.cifar.draws import images_per_step
from experiments.cifar.evaluate_command import evaluate
from experiments.cifar.network import build
from experiments.cifar.network.layers import conv, unfolded_convolution
from experiments.cifar.runs import Run
from experiments.cifar.sharding import devices
from experiments.cifar.step import make_step, prepare
from experiments.cifar.train_command import train_main
from experiments.cifar.training import load_on_device, train
from theory.errors import InputError
from theory.float64 import jax, jnp

ROOT = Path(__file__).parent.parent
TINY = ["--classes", "3", "--per-class", "32", "--size", "12", "--width", "8", "--dimension", "4", "--batch", "16"]
TINY += ["--epochs", "12", "--k", "5", "--checkpoint-seconds", "0"]


def tiny(**changes):
    data = load("standin", classes=3, per_class=32, size=12)
    c = complete({"dataset": "standin", "provenance": data.provenance, "k": 5}, "cpu")
    c = replace(c, classes=3, per_class=32, size=12, width=8, dimension=4, batch=16, epochs=12)
    return replace(c, **changes), data


def command(*words, **environment):
    """The command `train` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.cifar", "train", *words],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_epochs(folder, n, process):
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        log = folder / "log.jsonl"
        if log.is_file() and log.read_text().count("\n") >= n:
            return
        time.sleep(0.02)
    raise AssertionError(f"no {n} epochs: {process.communicate()}")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    configuration, data = tiny()
    run = Run.create(tmp_path_factory.mktemp("runs") / "whole", configuration)
    record = train(run, data, checkpoint_seconds=0)
    return run, data, record


def test_the_folder_of_a_run_says_everything(uninterrupted):
    run, data, record = uninterrupted
    again = Run.open(run.folder)
    assert again.configuration == run.configuration and again.record == record
    assert record.status == "finished" and record.epochs_done == 12 and record.wall_seconds > 0
    assert {"jax", "flax", "optax", "orbax-checkpoint", "nce-verifier"} <= record.versions.keys()
    assert "iid from the marginal" in record.negatives
    log = run.log()
    assert [line["epoch"] for line in log] == list(range(1, 13)) and log[-1]["step"] == 12 * (96 // 16)
    assert log[-1]["loss"] < log[0]["loss"]
    assert np.array_equal(again.dataset(None).train_images, data.train_images)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_training_killed_four_times_at_any_moment_is_that_of_an_uninterrupted_run(uninterrupted, tmp_path, seed):
    run, *_ = uninterrupted
    folder, rng = tmp_path / "killed", np.random.default_rng(seed)
    for _ in range(4):
        process = command(*TINY, "--out", str(folder), "--resume")
        time.sleep(rng.uniform(0.0, 20.0))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    ended = command(*TINY, "--out", str(folder), "--resume")
    assert (ended.communicate(), ended.returncode)[1] == 0
    resumed = Run.open(folder)
    assert resumed.record.status == "finished" and resumed.fingerprint() == run.fingerprint()
    assert [{**line, "seconds": 0} for line in resumed.log()] == [{**line, "seconds": 0} for line in run.log()]


def test_killed_and_resumed_training_is_that_of_an_uninterrupted_run(uninterrupted, tmp_path):
    """kill -9 twice, at any time; the last time it is resumed in this process."""
    run, data, _ = uninterrupted
    folder = tmp_path / "killed"
    for epochs in (2, 6):
        process = command(*TINY, "--out", str(folder), "--resume")
        wait_for_epochs(folder, epochs, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert len(Run.open(folder).log()) < 12
    resumed = Run.open(folder)
    record = train(resumed, data)
    assert record.status == "finished" and resumed.fingerprint() == run.fingerprint()
    untimed = [[{**line, "seconds": 0} for line in each.log()] for each in (run, resumed)]
    assert untimed[0] == untimed[1]
    metrics = []
    for each in (run, resumed):
        evaluate(each, data)
        metrics.append(json.loads((each.folder / "metrics.json").read_text()) | {"seconds": 0})
    assert metrics[0] == metrics[1]


def test_an_interrupt_is_one_line_and_what_was_saved_stays(tmp_path):
    process = command(*TINY, "--epochs", "5000", "--out", str(tmp_path / "run"))
    # an epoch is logged before it is saved: with the second one logged, the first is on disk
    wait_for_epochs(tmp_path / "run", 2, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    # a slow machine hears that the work goes on before it is interrupted
    *before, last = err.splitlines()
    assert process.returncode == 130 and out == "" and last.endswith("interrupted"), err
    assert all("at work for" in line for line in before), err
    assert any((tmp_path / "run" / "checkpoints").iterdir())


def test_several_devices_give_the_same_losses(uninterrupted, tmp_path):
    flags = "--xla_force_host_platform_device_count=4"
    process = command(*TINY, "--out", str(tmp_path / "run"), XLA_FLAGS=flags)
    # rounding differs from the first step on, and training amplifies it: the first epochs are what can be compared
    wait_for_epochs(tmp_path / "run", 3, process)
    process.kill()
    process.communicate()
    run = Run.open(tmp_path / "run")
    assert run.record.devices == 4
    for one, four in zip(uninterrupted[0].log()[:3], run.log()[:3], strict=True):
        assert four["loss"] == pytest.approx(one["loss"], rel=2e-4)
    refused = command(*TINY, "--batch", "6", "--out", str(tmp_path / "refused"), XLA_FLAGS=flags)
    _, err = refused.communicate(timeout=600)
    assert refused.returncode == 2 and "--batch" in err and err.count("\n") == 1
    assert not (tmp_path / "refused").exists()


def test_training_that_diverges_keeps_the_last_good_checkpoint(tmp_path, capsys):
    """Weight decay of 1 at a learning rate of 100 multiplies the weights by about -99 a step."""
    words = [*TINY, "--optimizer", "sgd", "--learning-rate", "100", "--weight-decay", "1", "--epochs", "20"]
    with pytest.raises(SystemExit) as stopped:
        train_main([*words, "--out", str(tmp_path / "run")])
    assert stopped.value.code == 3
    printed = capsys.readouterr().out
    run = Run.open(tmp_path / "run")
    assert run.record.status == "diverged" and 0 < run.record.epochs_done < 20
    assert f"checkpoint after epoch {run.record.epochs_done} is kept" in printed
    # it would diverge again: nothing is trained
    before = (run.folder / "record.json").read_bytes(), run.log()
    assert train(run, tiny()[1], progress=pytest.fail) == run.record
    assert before == ((run.folder / "record.json").read_bytes(), run.log())
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(run.state.parameters))


def test_time_runs_out_at_a_checkpoint(tmp_path):
    configuration, data = tiny(epochs=3)
    run = Run.create(tmp_path / "run", configuration)
    record = train(run, data, until=time.monotonic())
    assert record.status == "stopped" and record.epochs_done == 1
    assert train(run, data).epochs_done == 3


def test_a_damaged_checkpoint_falls_back_to_the_one_before(uninterrupted, tmp_path):
    """Emptied, truncated, or gone but for its folder; with none left that can be read it is said."""
    whole, data, _ = uninterrupted
    run = Run(tmp_path / "run", whole.configuration)
    shutil.copytree(whole.folder, run.folder)
    last, before = sorted(run.checkpoints.iterdir(), key=lambda path: -int(path.name))
    assert int(last.name) == 12 and int(before.name) == 11
    for path in last.rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    assert train(run, data).status == "finished"
    assert [line["epoch"] for line in run.log()] == list(range(1, 13))
    assert run.fingerprint() == whole.fingerprint()
    for folder in run.checkpoints.iterdir():
        shutil.rmtree(folder)
        folder.mkdir()
    with pytest.raises(InputError, match="no checkpoint of it can be restored"):
        train(run, data)


def test_two_processes_do_not_train_one_run(uninterrupted):
    run, data, _ = uninterrupted
    holder = "import fcntl,sys; f=open(sys.argv[1],'w'); fcntl.flock(f, fcntl.LOCK_EX); print(1, flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", holder, str(run.folder / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout.readline()
    with pytest.raises(InputError, match="another process trains this run"):
        train(run, data)
    other.communicate(b"\n")
    assert train(run, data).status == "finished"


def test_what_a_killed_process_left_does_not_block(tmp_path):
    configuration, _ = tiny()
    for name in ("config.jsonab12.tmp", "config.json.part", "lock"):
        (tmp_path / name).write_text("{")
    assert Run.open(Run.create(tmp_path, configuration).folder).configuration == configuration
    with pytest.raises(InputError, match="something is there already"):
        Run.create(tmp_path, configuration)


@pytest.mark.parametrize("network", ["small", "resnet18"])
def test_evaluation_leaves_the_network_as_it_is(network, tmp_path):
    """An image's embedding depends on that image alone, has length 1, and no statistics move."""
    configuration, data = tiny(network=network, epochs=1, per_class=32)
    run = Run.create(tmp_path / "run", configuration)
    train(run, data)
    before = run.fingerprint()
    _, together = run.features(data.test_images[:20])
    _, alone = run.features(data.test_images[7:8])
    np.testing.assert_allclose(together[7:8], alone, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    assert run.fingerprint() == before == Run.open(run.folder).fingerprint()


@pytest.mark.parametrize(
    "changes",
    [
        {"k": 40, "augmentation": "crop"},  # beyond the batch
        {"k": 90, "positives": "mixed", "overlap": Fraction(1, 5)},  # every image once
        {"positives": "augment", "augmentation": "simclr", "head": "mlp", "negatives": "batch", "k": 40},
        {"dtype": "bfloat16", "network": "resnet18"},
    ],
)
def test_a_step_computes_in_single_precision_at_most(changes):
    """Double precision is switched on for the theory's sake; of a step only optax's scalars may fall into it."""
    configuration, data = tiny(**changes)
    prepared = prepare(configuration, 10)
    step = make_step(configuration, prepared, devices(configuration.batch))
    lowered = jax.jit(step).lower(prepared.state, load_on_device(data)).as_text()
    assert re.search(r"tensor<\d+x[^>]*f32>", lowered) and not re.search(r"tensor<\d+x[^>]*f64>", lowered)
    assert ("bf16" in lowered) == (configuration.dtype == "bfloat16")


@pytest.mark.parametrize("augmentation", ["none", "crop"])
def test_a_step_with_more_negatives_than_the_batch_has(augmentation):
    configuration, data = tiny(k=90, augmentation=augmentation)
    assert images_per_step(configuration, 96) == (96 if augmentation == "none" else 2 * 16 + 90 - 15)
    prepared = prepare(configuration, 10)
    step = jax.jit(make_step(configuration, prepared, devices(16)))
    _, measured = step(prepared.state, load_on_device(data))
    # an untrained network has all scores near each other: the loss is near log(1 + k)
    assert float(measured.loss) == pytest.approx(math.log(91), abs=0.8)
    assert float(jnp.sum(measured.counts)) == 16


@pytest.mark.parametrize(("size", "stride", "side"), [(3, 2, 32), (3, 2, 7), (3, 1, 6), (1, 2, 8)])
def test_unfolded_convolutions_are_convolutions(size, stride, side):
    """Values and both gradients, against XLA's."""
    rng = np.random.default_rng(side)
    x = jnp.asarray(rng.normal(size=(4, side, side, 5)), jnp.float32)
    layers = [conv(5, 8, size, stride, jnp.dtype("float32"), nnx.Rngs(0), unfold=u) for u in (False, True)]
    (graph, kernel), (other, same) = (nnx.split(layer) for layer in layers)
    assert all(map(np.array_equal, jax.tree.leaves(kernel), jax.tree.leaves(same)))

    def values(graph):
        y, back = jax.vjp(lambda kernel, x: nnx.merge(graph, kernel)(x), kernel, x)
        return jax.tree.leaves((y, back(jnp.cos(jnp.arange(y.size, dtype=jnp.float32)).reshape(y.shape))))

    for one, two in zip(values(graph), values(other), strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-5 * float(jnp.max(jnp.abs(one))))


def test_a_processor_unfolds_and_an_accelerator_does_not(monkeypatch):
    configuration, _ = tiny()
    for backend, unfolds in (("cpu", True), ("gpu", False)):
        monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
        layers = build(configuration).backbone.convolutions
        assert all((layer.conv_general_dilated is unfolded_convolution) == unfolds for layer in layers)


def test_augmentations():
    images = load("standin", classes=2, per_class=20, size=16).train_images
    keys = jax.random.split(jax.random.key(0), 2)
    plain = images.astype(np.float32) / 255
    np.testing.assert_allclose(augment(jnp.asarray(images), "none", keys[0]), plain)
    cropped = np.asarray(augment(jnp.asarray(images), "crop", keys[0]))
    for one, original in zip(cropped, plain, strict=True):
        padded = np.pad(original, ((2, 2), (2, 2), (0, 0)), mode="edge")
        shifts = [padded[y : y + 16, x : x + 16] for y in range(5) for x in range(5)]
        assert min(np.abs(one - part[:, ::step]).max() for part in shifts for step in (1, -1)) < 1e-6
    views = [np.asarray(augment(jnp.asarray(images), "simclr", key)) for key in keys]
    assert views[0].shape == plain.shape and all(view.min() > -1e-5 and view.max() < 1 + 1e-5 for view in views)
    assert np.abs(views[0] - views[1]).mean() > 0.02
    grey = np.ptp(views[0], axis=3).max(axis=(1, 2)) < 1e-5
    assert 1 <= grey.sum() <= 20


def test_configurations_are_read_back(tmp_path):
    configuration, _ = tiny(imbalance=Fraction(10), classes=(4, 2, 7), temperature=Fraction(1, 3))
    assert Configuration.from_json(json.loads(json.dumps(configuration.as_json()))) == configuration
    with pytest.raises(InputError, match="keys"):
        Configuration.from_json({"k": 3})


BAD = [
    (["--k", "0"], "--k"),
    (["--temperature", "0"], "--temperature"),
    (["--learning-rate", "nan"], "--learning-rate"),
    (["--batch", "1"], "--batch"),
    (["--width", "10"], "--width"),
    (["--initial-temperature", "-1"], "--initial-temperature"),
    (["--positives", "other"], "--positives"),
    (["--positives", "augment", "--augmentation", "none"], "--augmentation"),
    (["--positives", "mixed"], "--overlap"),
    (["--positives", "mixed", "--overlap", "1.5"], "--overlap"),
    (["--overlap", "0.5"], "--overlap"),
    (["--majority", "0.01"], "--majority"),
    (["--majority", "0.8", "--imbalance", "10"], "--majority"),
    (["--dataset", "cifar10", "--folder", "nowhere"], "--folder"),
    (["--classes", "1"], "--classes"),
    (["--resume"], "--out"),
    (["--minutes", "-1"], "--minutes"),
]


@pytest.mark.parametrize(("words", "option"), BAD)
def test_bad_input_is_one_line_and_status_2(words, option, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        train_main(words)
    printed = capsys.readouterr()
    assert stopped.value.code == 2
    assert printed.out == "" and printed.err.count("\n") == 1 and option in printed.err
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_not_overwritten_nor_resumed_as_another(uninterrupted, capsys):
    folder = str(uninterrupted[0].folder)
    for words, option in (
        ([], "--out"),
        (["--resume", "--k", "6"], "--k"),
        (["--resume", "--seed", "1"], "--seed"),
        # equal to defaults, but stated
        (["--resume", "--k", "16"], "--k"),
        (["--resume", "--size", "32"], "--size"),
    ):
        with pytest.raises(SystemExit) as stopped:
            train_main([*TINY, "--out", folder, *words])
        assert stopped.value.code == 2
        assert option in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        train_main([*TINY, "--out", folder, "--resume", "--json"])
    assert stopped.value.code == 0
    assert json.loads(capsys.readouterr().out)["record"]["status"] == "finished"
