"""A map on a real Dask cluster on loopback: workers and schedulers die, versions differ, and the rows are the same."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import test_store
from test_store import SMALL, contents, whole  # noqa: F401 (a fixture)

from experiments.unbalanced import cluster as clusters
from experiments.unbalanced import map as maps
from experiments.unbalanced.families import groups
from experiments.unbalanced.map import Definition, sweep
from experiments.unbalanced.store import Store
from experiments.unbalanced.workers import HERE
from theory.errors import InputError

CommClosedError = pytest.importorskip("distributed.comm").CommClosedError

ROOT = Path(__file__).parents[1]
REAL = Definition(groups((1, 1, 1)), 7, 1, (1, 64), batch=8)

# a process that sweeps on a cluster; every warning is an error in it too
PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
import test_map_cluster
from pathlib import Path
test_map_cluster.run(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
"""


def slow_batch(definition, batch):
    return test_store.quick_batch(definition, batch, 0.05)


def run(path, address, solver):
    """The sweep of `PROGRAM`, by the solver or a quick stand-in; a "stranger" skips the first look at workers."""
    definition = REAL
    if solver != "real":
        definition, maps.solve_batch = SMALL, slow_batch
    if solver == "stranger":
        clusters._check = lambda client, address: None
        clusters.fingerprint = lambda: {"sources": "another"}
    with Store(path, definition.as_json()) as store:
        try:
            with clusters.cluster(address) as workers:
                sweep(definition, store, workers)
        except InputError as error:
            print(error.reason, file=sys.stderr)
            sys.exit(2)


class Cluster:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder):
        self.file, self.workers = folder / "scheduler.json", []
        self.scheduler = self._start("scheduler", "--port", "0")
        while not self.file.exists():
            assert self.scheduler.poll() is None
            time.sleep(0.05)
        self.address = json.loads(self.file.read_text())["address"]

    def _start(self, kind, *options, root=ROOT):
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--scheduler-file", str(self.file)]
        command += ["--host", "127.0.0.1", "--no-dashboard", *options]
        path = os.pathsep.join((str(root), str(ROOT / "tests")))
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        # in a folder of its own: a worker keeps the folder it starts in on its path, before all others
        return subprocess.Popen(command, cwd=self.file.parent, env=os.environ | {"PYTHONPATH": path}, **quiet)

    def add(self, count, root=ROOT):
        options = ("--no-nanny", "--nthreads", "1", "--memory-limit", "0", "--local-directory", str(self.file.parent))
        self.workers += [self._start("worker", *options, root=root) for _ in range(count)]

    def sweep(self, path, solver="quick"):
        code = PROGRAM.format(tests=str(ROOT / "tests"))
        command = [sys.executable, "-W", "error", "-c", code, str(path), self.address, solver]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)

    def close(self):
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@contextmanager
def cluster(folder, workers):
    made = Cluster(folder)
    try:
        made.add(workers)
        yield made
    finally:
        made.close()


def wait_until_midway(path, process, batches=2):
    """Until some batches are done and some are not."""
    done = left = 0
    while done < batches or not left:  # nothing is left for a moment between two rounds
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
        with suppress(InputError), Store(path) as store:  # not there yet, or still empty
            done = sum(1 for _ in store.rows()) // 16
            left = store.unfinished()


def ended(process, status=0):
    _, error = process.communicate(timeout=240)
    assert process.returncode == status, error
    return error


def test_a_worker_is_killed_midway_and_the_rows_are_those_of_the_local_run(tmp_path):
    with cluster(tmp_path, 2) as made:
        process = made.sweep(tmp_path / "cluster", "real")
        wait_until_midway(tmp_path / "cluster", process, batches=1)
        made.workers[0].send_signal(signal.SIGKILL)
        assert ended(process) == ""
    with Store(tmp_path / "local", REAL.as_json()) as store:
        sweep(REAL, store, HERE)
    assert contents(tmp_path / "cluster") == contents(tmp_path / "local")


def test_workers_come_and_go_and_the_scheduler_dies(tmp_path, whole):  # noqa: F811
    with cluster(tmp_path, 0) as made:
        process = made.sweep(tmp_path / "s")
        made.add(3)
        wait_until_midway(tmp_path / "s", process)
        made.workers[1].send_signal(signal.SIGKILL)
        assert ended(process).splitlines() in ([], [f"no workers at {made.address} yet: waiting"])
        assert contents(tmp_path / "s") == whole
        # a worker that joins late with other sources does not get to answer
        error = ended(made.sweep(tmp_path / "stranger", "stranger"), 2)
        assert "sources" in error and "instead of another" in error and error.count("\n") == 1
        # without its scheduler a sweep ends in one line, and goes on elsewhere
        process = made.sweep(tmp_path / "t")
        wait_until_midway(tmp_path / "t", process)
        made.scheduler.send_signal(signal.SIGKILL)
        assert ended(process, 2) == f"got '{made.address}'; the scheduler is gone; run again to go on\n"
    test_store.run_quickly(tmp_path / "t")
    assert contents(tmp_path / "t") == whole


def test_a_worker_with_other_sources_is_named(tmp_path):
    for package in ("theory", "verify", "experiments"):
        shutil.copytree(ROOT / package, tmp_path / "other" / package)
    with (tmp_path / "other" / "theory" / "errors.py").open("a") as file:
        file.write("# another version\n")
    with cluster(tmp_path, 0) as made:
        made.add(1, root=tmp_path / "other")
        command = [sys.executable, "-m", "experiments.unbalanced", "map", "--scheduler", made.address]
        command += ["--store", str(tmp_path / "s"), "--resolution", "2"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    *waiting, error = done.stderr.splitlines()
    assert waiting in ([], [f"no workers at {made.address} yet: waiting"])
    assert (done.returncode, done.stdout) == (2, "")
    assert "argument --scheduler: got " in error
    assert "the worker tcp://127.0.0.1" in error
    assert f"instead of {clusters.fingerprint()['sources']}" in error


def test_no_scheduler_and_no_package_end_in_one_line(tmp_path, monkeypatch):
    command = [sys.executable, "-m", "experiments.unbalanced", "map", "--scheduler", "tcp://127.0.0.1:9"]
    command += ["--store", str(tmp_path / "s"), "--resolution", "2"]
    environment = os.environ | {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "1s"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "argument --scheduler: got 'tcp://127.0.0.1:9'; no scheduler answers there" in done.stderr
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match="pip install"), clusters.cluster("tcp://127.0.0.1:9"):
        pass


def test_a_worker_lost_while_it_is_asked_is_no_other_version():
    def client(answer):
        return SimpleNamespace(nthreads=lambda: {"a": 1}, run=lambda asked, on_error: {"a": answer, "b": asked()})

    clusters._check(client(CommClosedError("Stream is closed")), "here")
    with pytest.raises(clusters.OtherVersion, match=r"the worker a cannot run this program \(No module"):
        clusters._check(client(ModuleNotFoundError("No module named 'theory'")), "here")
    with pytest.raises(clusters.OtherVersion, match=r"the worker a has .*sources None"):
        clusters._check(client({}), "here")


def test_differences_name_what_is_different():
    here = clusters.fingerprint()
    assert clusters.differences(here, here) == ""
    assert clusters.differences(here, here | {"jax": "0.1"}) == f"jax 0.1 instead of {here['jax']}"
    assert "sources None" in clusters.differences(here, {})


@pytest.mark.slow
def test_dozens_of_workers_are_killed(tmp_path, whole):  # noqa: F811
    rng, killed = np.random.default_rng(0), 0
    with cluster(tmp_path, 3) as made:
        for i in range(8):
            path = tmp_path / f"s{i}"
            process = made.sweep(path)
            for _ in range(3):
                time.sleep(rng.uniform(0.5, 2.0))
                if process.poll() is None:
                    victim = made.workers.pop(int(rng.integers(len(made.workers))))
                    victim.send_signal(signal.SIGKILL)
                    victim.wait()
                    killed += 1
                    made.add(1)
            assert ended(process) == ""
            assert contents(path) == whole
    assert killed >= 12
