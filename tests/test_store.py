"""The store of a map: a sweep that is killed, shared or repeated ends in the same rows."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from experiments.unbalanced import map as maps
from experiments.unbalanced.columns import COLUMNS
from experiments.unbalanced.families import groups
from experiments.unbalanced.grid import Cell
from experiments.unbalanced.map import Definition, sweep
from experiments.unbalanced.store import VERSION, Row, Store
from experiments.unbalanced.workers import HERE
from theory.errors import InputError

SMALL = Definition(groups((1, 1, 1)), 14, 2, (1, 4096), batch=8)

# the same sweep in a process of its own, with a quick stand-in for the solver
PROGRAM = """
import sys, time
sys.path.insert(0, {tests!r})
import test_store
from pathlib import Path
test_store.run_quickly(Path(sys.argv[1]), float(sys.argv[2]))
"""


def quick_batch(definition, batch, delay=0.0):
    """Rows that depend on the cells only, with a boundary to refine."""
    time.sleep(delay)
    rows = []
    for cell in batch.cells:
        p = max(cell.centre) / sum(cell.centre)
        for j, k in enumerate(definition.ks):
            sup = p + (0.1 if p > 0.7 and j else 0.0)
            values = dict.fromkeys(COLUMNS, sup) | {"points": 2 + (p < 0.85), "converged": 1}
            rows.append(Row(cell, k, tuple(float(values[name]) for name in COLUMNS)))
    return rows, 0.5


def run_quickly(path, delay=0.0):
    maps.solve_batch = lambda definition, batch: quick_batch(definition, batch, delay)
    with Store(path, SMALL.as_json()) as store:
        print("at work", flush=True)
        sweep(SMALL, store, HERE)


def contents(path):
    with Store(path) as store:
        assert store.unfinished() == 0
        return list(store.rows())


@pytest.fixture
def whole(tmp_path, monkeypatch):
    monkeypatch.setattr(maps, "solve_batch", quick_batch)
    run_quickly(tmp_path / "whole")
    monkeypatch.setattr(maps, "solve_batch", quick_batch)
    rows = contents(tmp_path / "whole")
    assert {row.cell.level for row in rows} == {0, 1, 2}
    return rows


def start(path, delay=0.01):
    code = PROGRAM.format(tests=str(Path(__file__).parent))
    command = [sys.executable, "-c", code, str(path), str(delay)]
    return subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True)


def ended(process):
    process.communicate()
    return process.returncode


def kill_at_random_moments(path, whole, rng, kills):
    """Kill the sweep again and again, at moments counted from its first work, then let it end."""
    struck = 0
    for _ in range(kills):
        with start(path) as process:
            assert process.stdout.readline() == "at work\n"
            time.sleep(rng.uniform(0.0, 0.3))
            struck += process.poll() is None
            process.send_signal(signal.SIGKILL)
    assert ended(start(path, 0.0)) == 0
    assert contents(path) == whole
    return struck


def test_killed_at_random_moments_and_resumed(tmp_path, whole):
    assert kill_at_random_moments(tmp_path / "killed", whole, np.random.default_rng(0), 3) > 0


@pytest.mark.slow
def test_killed_a_hundred_times(tmp_path, whole):
    struck = [kill_at_random_moments(tmp_path / f"killed{i}", whole, np.random.default_rng(i), 4) for i in range(1, 26)]
    assert sum(struck) >= 30


def test_two_processes_share_a_store(tmp_path, whole):
    both = [start(tmp_path / "shared", 0.005) for _ in range(2)]
    assert [ended(process) for process in both] == [0, 0]
    assert contents(tmp_path / "shared") == whole


def test_one_of_two_processes_on_a_store_is_killed(tmp_path, whole):
    both = [start(tmp_path / "shared", 0.02) for _ in range(2)]
    done = 0
    while not 0 < done < len(whole):
        time.sleep(0.05)
        with suppress(InputError), Store(tmp_path / "shared") as store:  # not there yet, or still empty
            done = sum(1 for _ in store.rows())
    both[0].send_signal(signal.SIGKILL)
    assert ended(both[0]) == -signal.SIGKILL
    assert ended(both[1]) == 0
    assert contents(tmp_path / "shared") == whole


def test_a_batch_is_taken_over_and_only_the_first_result_counts(tmp_path):
    with Store(tmp_path / "s", SMALL.as_json()) as store:
        cells = [Cell(0, (40, 1, 1)), Cell(0, (38, 2, 2))]
        store.plan(0, cells, 1)
        store.plan(0, cells, 1)
        assert store.unfinished() == 2
        dead = store.claim("dead")
        other = store.claim("living")
        assert dead.id != other.id
        taken = store.claim("living")
        assert taken == dead
        assert store.claim("living") is None
        rows, _ = quick_batch(SMALL, dead)
        assert store.finish(dead.id, rows, 1.0)
        assert not store.finish(dead.id, rows, 1.0)
        assert list(store.rows()) == rows
        assert store.unfinished() == 1


def test_a_batch_is_committed_whole_or_not_at_all(tmp_path):
    with Store(tmp_path / "s", SMALL.as_json()) as store:
        store.plan(0, [Cell(0, (40, 1, 1)), Cell(0, (38, 2, 2))], 2)
        batch = store.claim("me")
        rows, _ = quick_batch(SMALL, batch)
        with pytest.raises(sqlite3.Error):
            store.finish(batch.id, [*rows, rows[0]], 1.0)
        assert list(store.rows()) == []
        assert store.unfinished() == 1


def test_other_sweeps_versions_and_files_are_refused(tmp_path):
    path = tmp_path / "s"
    with Store(path, SMALL.as_json()):
        pass
    other = Definition(groups((1, 1, 1)), 15, 2, (1, 4096), batch=8)
    with pytest.raises(InputError, match="another sweep, with resolution = 14"):
        Store(path, other.as_json())
    with Store(path) as store:
        assert Definition.from_json(store.definition) == SMALL
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value = '7' WHERE key = 'version'")
    with pytest.raises(InputError, match="version 7"):
        Store(path, SMALL.as_json())
    with db:
        db.execute("UPDATE meta SET value = ? WHERE key = 'version'", (str(VERSION),))
        db.execute("UPDATE meta SET value = '0.0.9' WHERE key = 'program'")
    with pytest.raises(InputError, match=r"0\.0\.9 made it"):
        Store(path, SMALL.as_json())
    # reading mixes nothing
    with Store(path) as store:
        assert Definition.from_json(store.definition) == SMALL
    db.close()
    (tmp_path / "text").write_text("not a database, but long enough to be looked at" * 20)
    with pytest.raises(InputError, match="the store of a map"):
        Store(tmp_path / "text")
    foreign = sqlite3.connect(tmp_path / "foreign")
    foreign.execute("CREATE TABLE meta (key TEXT, value TEXT)")
    foreign.close()
    with pytest.raises(InputError, match="the store of a map"):
        Store(tmp_path / "foreign", SMALL.as_json())
    with pytest.raises(InputError, match="no such file"):
        Store(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_definitions_survive_json():
    definition = Definition(groups((1, 4)), 7, 0, (1, float("inf")), maps.Fraction(1, 3))
    assert Definition.from_json(json.loads(json.dumps(definition.as_json()))) == definition


@pytest.mark.slow
def test_the_real_sweep_killed_with_its_workers_ends_the_same(tmp_path):
    def run(path, jobs):
        command = [sys.executable, "-m", "experiments.unbalanced", "map", "--resolution", "24", "--levels", "2"]
        command += ["--k", "1,64", "--store", str(path), "--jobs", str(jobs), "--json"]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[1])

    assert run(tmp_path / "whole", 1).wait() == 0
    for seconds in (10, 14):
        process = run(tmp_path / "killed", 2)
        time.sleep(seconds)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert run(tmp_path / "killed", 2).wait() == 0
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def finished(path):
    """A small store with every batch done."""
    run_quickly(path)
    return path


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(maps, "solve_batch", quick_batch)
        return finished(tmp_path_factory.mktemp("sound") / "s").read_bytes()


def damages():
    """Changes of a finished store that SQLite itself does not see."""
    for name in ("nce", "weighted_mean", "points", "converged"):
        yield f"UPDATE cell SET {name} = {name} + 1 WHERE rowid_is_one"
    yield "UPDATE cell SET nce = 0.1 + nce WHERE rowid_is_one"
    yield "UPDATE cell SET nce = NULL WHERE rowid_is_one"
    yield "DELETE FROM cell WHERE rowid_is_one"
    yield "UPDATE cell SET batch = 2 WHERE rowid_is_one"
    yield "UPDATE batch SET cells = replace(cells, '1', '2') WHERE id = 1"
    yield "UPDATE batch SET round = 5 WHERE id = 1"
    yield "UPDATE batch SET seconds = 7 WHERE id = 1"
    yield "UPDATE batch SET checksum = 'none' WHERE id = 1"
    yield "UPDATE batch SET checksum = zeroblob(3) WHERE id = 1"
    yield "UPDATE meta SET value = replace(value, '14', '15') WHERE key = 'definition'"
    yield "DELETE FROM meta WHERE key = 'definition'"
    yield "DELETE FROM meta WHERE key = 'version'"
    yield "DELETE FROM meta WHERE key = 'checksum'"
    yield "DROP TABLE cell"


@pytest.mark.parametrize("damage", list(damages()))
def test_a_store_that_is_damaged_is_one_line(damage, sound, tmp_path):
    path = tmp_path / "s"
    path.write_bytes(sound)
    with sqlite3.connect(path) as db:
        one = "(level, centre, k) = (SELECT level, centre, k FROM cell WHERE batch = 1 LIMIT 1)"
        db.execute(damage.replace("rowid_is_one", one))
    db.close()

    def read():
        with Store(path) as store:
            return list(store.rows())

    with pytest.raises(InputError, match="store: got") as refused:
        read()
    assert "\n" not in str(refused.value)


def test_flipped_bits_of_a_store_are_refused_or_change_no_row(sound, tmp_path):
    path, refused = tmp_path / "s", 0
    path.write_bytes(sound)
    rows = contents(path)
    for bit in np.random.default_rng(0).integers(0, 8 * len(sound), 150):
        changed = bytearray(sound)
        changed[bit // 8] ^= 1 << int(bit % 8)
        path.write_bytes(changed)
        try:
            with Store(path) as store:
                assert list(store.rows()) == rows
        except InputError:
            refused += 1
    assert refused > 50


def test_a_plan_that_is_damaged_is_not_worked_on(tmp_path):
    with Store(tmp_path / "s", SMALL.as_json()) as store:
        store.plan(0, [Cell(0, (40, 1, 1))], 2)
        store._db.execute("UPDATE batch SET cells = '[[0, 38, 2, 2]]'")
        with pytest.raises(InputError, match="batch 1 is damaged"):
            store.claim("me")


def test_places_that_are_no_store(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    os.mkfifo(tmp_path / "pipe")
    long = tmp_path / ("n" * 250)  # a name for a file, and none for the files that SQLite has beside it
    for path in (tmp_path / "folder", tmp_path / "file" / "below", tmp_path / "pipe", Path("/dev/null"), long):
        for definition in (None, SMALL.as_json()):
            with pytest.raises(InputError, match="store: got"):
                Store(path, definition)
    assert (tmp_path / "file").read_text() == "mine" and not long.exists()


def test_a_store_that_is_locked_or_lost_midway_is_one_line(tmp_path, monkeypatch):
    from experiments.unbalanced import store as module

    monkeypatch.setattr(module, "_TIMEOUT_SECONDS", 0.1)

    def work():
        with Store(tmp_path / "s", SMALL.as_json()) as store:
            store.plan(0, [Cell(0, (40, 1, 1))], 2)
            other = sqlite3.connect(tmp_path / "s", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            try:
                store.claim("me")
            finally:
                other.close()

    with pytest.raises(InputError, match=r"cannot be used any more \(database is locked\)"):
        work()


def test_a_store_that_cannot_be_written_can_be_shown(sound):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s"
        path.write_bytes(sound)
        path.chmod(0o444)
        Path(folder).chmod(0o555)
        # nothing is forbidden to root
        code = "import os\nfrom pathlib import Path\nfrom experiments.unbalanced.store import Store\n"
        code += "os.geteuid() or os.setuid(65534)\n"
        code += f"with Store(Path({str(path)!r})) as store: print(len(list(store.rows())))"
        root = Path(__file__).parents[1]
        done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
        assert os.listdir(folder) == ["s"]
        Path(folder).chmod(0o755)
    assert (done.returncode, done.stderr) == (0, "") and int(done.stdout) > 100
