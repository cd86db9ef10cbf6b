"""`python -m paper_figs`: what is drawn, where data comes from, and what happens where there is none."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from pictures import assert_readable

from paper_figs import __main__ as command
from paper_figs import data as data_files
from paper_figs.data import NotMeasured, committed, load, significant
from paper_figs.registry import FIGURES, Entry
from paper_figs.style import paper, save

COMMITTED = [name for name in FIGURES if committed(name) is not None]


def _run(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(arguments)
    printed = capsys.readouterr()
    return stopped.value.code, printed.out, printed.err


def _drawn(name):
    try:
        data = load(FIGURES[name], Path("no folder"))
    except NotMeasured as missing:
        pytest.skip(str(missing))
    return FIGURES[name].module.draw(data.parts)


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_data_gives_the_same_files_and_they_are_readable(name, tmp_path, monkeypatch):
    """No text is cut or overlaps another, and axes are named."""
    written = []
    for folder in (tmp_path / "1", tmp_path / "2"):
        folder.mkdir()
        with paper():
            figure = _drawn(name)
            written.append([path.read_bytes() for path in save(figure, folder, name)])
    assert written[0] == written[1]
    assert sorted(path.name for path in (tmp_path / "1").iterdir()) == [f"{name}.pdf", f"{name}.png"]
    with paper():
        assert_readable(figure, monkeypatch)


def test_another_process_later_and_elsewhere_gives_the_same_files(tmp_path, monkeypatch, capsys):
    """Whatever the hash seed, the clock, the user's Matplotlib settings and the folder are."""
    names = ["etf", "lemma"]
    rc = tmp_path / "matplotlibrc"
    rc.write_text("lines.linewidth: 9\nfont.size: 20\nbackend: svg\n")
    monkeypatch.setenv("PYTHONHASHSEED", "12345")
    monkeypatch.setenv("MATPLOTLIBRC", str(rc))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    there, here = tmp_path / "there", tmp_path / "here"
    program = [sys.executable, "-m", "paper_figs", *names, "--out", str(there), "--data", str(tmp_path / "d")]
    subprocess.run(program, check=True, capture_output=True, cwd=tmp_path)
    assert _run([*names, "--out", str(here), "--data", str(tmp_path / "d")], capsys)[0] == 0
    for path in here.iterdir():
        assert path.read_bytes() == (there / path.name).read_bytes(), path.name
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    "path", sorted(Path(command.__file__).parent.glob("gallery/*.png")), ids=lambda path: path.stem
)
def test_the_gallery_shows_what_is_drawn(path, tmp_path):
    from matplotlib.image import imread

    with paper():
        drawn = save(_drawn(path.stem), tmp_path, path.stem)[1]
    shown, again = imread(path), imread(drawn)
    assert shown.shape == again.shape
    # another version of the fonts' renderer may move an edge
    assert abs(shown - again).mean() < 0.01


def test_pdf_has_no_date_and_fonts_that_publishers_take(tmp_path):
    with paper():
        pdf = save(_drawn("etf"), tmp_path, "etf")[0].read_bytes()
    assert b"Date" not in pdf
    assert b"/Type3" not in pdf
    assert b"/TrueType" in pdf or b"/CIDFontType2" in pdf


def test_the_style_is_readable_in_grey_and_by_colour_blind_readers():
    """Every line of a figure has a line style and a marker of its own; the map's lightness rises all the way."""
    import matplotlib
    import numpy as np

    with paper():
        cycle = list(matplotlib.rcParams["axes.prop_cycle"])
        colours = matplotlib.colormaps[matplotlib.rcParams["image.cmap"]](np.linspace(0, 1, 64))[:, :3]
    for key in ("color", "linestyle", "marker"):
        assert len({str(entry[key]) for entry in cycle}) == len(cycle)
    assert (np.diff(colours @ [0.2126, 0.7152, 0.0722]) > 0).all()


def test_list_says_what_each_figure_shows_and_imports_nothing_heavy(capsys):
    code, out, err = _run(["--list"], capsys)
    assert (code, err) == (0, "")
    for entry in FIGURES.values():
        assert f"{entry.name} " in out
        assert entry.shows in out
    code, out, _ = _run(["--list", "--json"], capsys)
    assert [line["name"] for line in json.loads(out)["figures"]] == list(FIGURES)
    heavy = "{'matplotlib', 'jax', 'numpy', 'scipy'} & sys.modules.keys()"
    program = f"import sys\nfrom paper_figs.__main__ import main\ntry: main(['--list'])\nfinally: assert not {heavy}"
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["nonsense"], "nonsense"),
        (["etf", "--out", "/dev/null/no"], "--out"),
        (["etf", "--data", "/dev/null"], "--data"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, named, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = _run(arguments, capsys)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert named in err
    assert list(tmp_path.iterdir()) == []


def test_json_is_one_object(tmp_path, capsys):
    code, out, err = _run(["etf", "etf", "--json", "--out", str(tmp_path), "--data", str(tmp_path / "none")], capsys)
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert result["claim"] == "figures"
    assert result["versions"].keys() == {"nce-verifier", "matplotlib", "numpy"}
    (figure,) = result["figures"]
    assert (figure["name"], figure["status"], figure["data"]) == ("etf", "drawn", "committed")
    assert figure["command"] == "python -m paper_figs etf --recompute"
    assert "jax" in figure["versions"]
    assert {path.name for path in tmp_path.iterdir()} == {"etf.pdf", "etf.png"}


@pytest.mark.parametrize("name", COMMITTED)
def test_committed_data_is_complete_and_says_what_made_it(name):
    document = committed(name)
    if hasattr(FIGURES[name].module, "parts"):
        assert document["parts"].keys() == set(FIGURES[name].module.parts())
    assert document["command"] == f"python -m paper_figs {name} --recompute"
    assert {"nce-verifier", "jax", "numpy"} <= document["versions"].keys()
    assert document["figure"] == name


class _Counted:
    """A figure of three parts that counts what it computes, and may be interrupted at one."""

    def __init__(self, stop_at=None):
        self.computed, self.stop_at = [], stop_at

    def parts(self):
        return ("a", "b", "c")

    def compute(self, part):
        if part == self.stop_at:
            raise KeyboardInterrupt
        self.computed.append(part)
        return {"value": part * 2}

    def draw(self, parts):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(1, 1))
        figure.text(0.1, 0.5, "".join(part["value"] for part in parts.values()))
        return figure


def _entry(module, name="counted", seconds=1):
    return SimpleNamespace(name=name, shows="a test", seconds=seconds, module=module)


def test_an_interrupted_computation_goes_on_where_it_stopped(tmp_path):
    stopped = _Counted(stop_at="c")
    with pytest.raises(KeyboardInterrupt):
        load(_entry(stopped), tmp_path)
    (unfinished,) = (tmp_path / "paper_figs").iterdir()
    assert unfinished.name == "counted.unfinished.json"
    again = _Counted()
    found = load(_entry(again), tmp_path)
    assert again.computed == ["c"]
    assert found.parts == {part: {"value": part * 2} for part in "abc"}
    assert [path.name for path in (tmp_path / "paper_figs").iterdir()] == ["counted.json"]
    third = _Counted()
    assert load(_entry(third), tmp_path).parts == found.parts
    assert third.computed == []


def test_recompute_ignores_what_is_complete_and_keeps_it_until_it_is_done(tmp_path):
    load(_entry(_Counted()), tmp_path)
    path = tmp_path / "paper_figs" / "counted.json"
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        load(_entry(_Counted(stop_at="b")), tmp_path, recompute=True)
    assert path.read_bytes() == before
    again = _Counted()
    load(_entry(again), tmp_path, recompute=True)
    assert again.computed == ["b", "c"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"figure": "other", "command": "", "versions": {}, "parts": {}}'])
def test_a_damaged_or_foreign_data_file_is_computed_again(tmp_path, damage):
    path = tmp_path / "paper_figs" / "counted.json"
    path.parent.mkdir()
    for name in ("counted.json", "counted.unfinished.json"):
        path.with_name(name).write_text(damage)
    module = _Counted()
    assert load(_entry(module), tmp_path).parts["a"] == {"value": "aa"}
    assert module.computed == ["a", "b", "c"]


def test_parts_of_another_version_are_not_mixed_in(tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        load(_entry(_Counted(stop_at="c")), tmp_path)
    monkeypatch.setattr(data_files, "versions", lambda *names: {"nce-verifier": "another"})
    module = _Counted()
    assert load(_entry(module), tmp_path).versions == {"nce-verifier": "another"}
    assert module.computed == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["etf", "simplex"])
@pytest.mark.parametrize("damage", ["", "{", '{"figure": "etf"}'])
def test_damaged_data_of_your_own_is_passed_over(name, damage, tmp_path):
    (tmp_path / "paper_figs").mkdir()
    (tmp_path / "paper_figs" / f"{name}.json").write_text(damage)
    assert load(FIGURES[name], tmp_path).source == "committed"


def test_a_map_without_its_picture_is_passed_over(tmp_path):
    (tmp_path / "paper_figs").mkdir()
    (tmp_path / "paper_figs" / "simplex.json").write_text(json.dumps(committed("simplex")))
    assert load(FIGURES["simplex"], tmp_path).source == "committed"


def test_nothing_is_written_where_the_data_is_committed(tmp_path, monkeypatch, capsys):
    """Not even a folder for data; so a folder that cannot be written is no obstacle."""
    monkeypatch.chdir("/proc")
    assert _run(["etf", "--out", str(tmp_path)], capsys)[0] == 0


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, capsys):
    code, out, err = _run(["etf", "--recompute", "--out", str(tmp_path), "--data", "/proc/none"], capsys)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "--data" in err


def test_your_own_data_comes_before_committed_data(tmp_path, capsys):
    folder = tmp_path / "paper_figs"
    folder.mkdir()
    (folder / "etf.json").write_text(json.dumps(committed("etf")))
    _, out, _ = _run(["etf", "--out", str(tmp_path), "--data", str(tmp_path), "--json"], capsys)
    assert json.loads(out)["figures"][0]["data"] == str(folder / "etf.json")


def test_a_figure_without_data_does_not_stop_the_others(tmp_path, monkeypatch, capsys):
    def nothing(folder, *, recompute, progress):
        raise NotMeasured(f"no results in {folder}")

    missing = _entry(SimpleNamespace(load=nothing), "missing", None)
    monkeypatch.setattr(command, "FIGURES", {"missing": missing, "counted": _entry(_Counted())})
    monkeypatch.setattr("paper_figs.data.committed", lambda name: None)
    code, out, err = _run(["--out", str(tmp_path / "out"), "--data", str(tmp_path / "data")], capsys)
    assert (code, err) == (3, "")
    assert f"missing  not measured: no results in {tmp_path / 'data'}\n" in out
    assert "1 of 2 figures drawn" in out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"counted.pdf", "counted.png"}


def test_registry_is_in_order():
    for name, entry in FIGURES.items():
        assert isinstance(entry, Entry)
        assert entry.name == name
        own = {"draw", "load"} <= vars(entry.module).keys()
        assert own or {"draw", "parts", "compute"} <= vars(entry.module).keys()
        assert own or entry.seconds is not None


def test_numbers_are_shortened_but_not_changed():
    assert significant(1 / 3) == 0.333333333333
    assert significant(((1, 2.0), [1e-30 / 3])) == [[1, 2.0], [3.33333333333e-31]]


@pytest.fixture
def interruptible():
    """An ignored signal is inherited by children, a handled one is reset."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_keeps_finished_parts_and_is_one_line(tmp_path):
    program = [sys.executable, "-m", "paper_figs", "coverage", "--recompute", "--out", "out", "--data", "data"]
    process = subprocess.Popen(program, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    unfinished = tmp_path / "data" / "paper_figs" / "coverage.unfinished.json"
    deadline = time.monotonic() + 60
    while not unfinished.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.skip("it was done before it could be interrupted")
    assert (process.returncode, out) == (130, "")
    assert err.count("\n") == 1
    assert json.loads(unfinished.read_text())["parts"].keys() <= set(FIGURES["coverage"].module.parts())
