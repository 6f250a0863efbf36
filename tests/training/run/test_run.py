"""The run folder."""

import subprocess
import sys

import pytest

from carousel import CarouselError
from carousel.training import LanguageConfig, train
from carousel.training.run.folder import RunFolder


def test_runs_are_numbered(tmp_path, monkeypatch):
    """Without a name, runs take the numbers after the highest there is, and never fill a gap."""
    monkeypatch.chdir(tmp_path)
    assert [str(RunFolder.create(None).path) for _ in range(2)] == ["runs/001", "runs/002"]
    (tmp_path / "runs" / "041").mkdir()
    (tmp_path / "runs" / "best").mkdir()
    assert str(RunFolder.create(None).path) == "runs/042"


def test_a_folder_in_use_is_never_taken(tmp_path):
    """A folder that holds anything, and a file, are refused; an empty one and what a dead process left
    are not.
    """
    (tmp_path / "empty").mkdir()
    (tmp_path / "leftover").mkdir()
    (tmp_path / "leftover" / ".config.yaml.carousel-0123456789abcdef.part").touch()
    for name in ("empty", "leftover", "new/deep"):
        assert RunFolder.create(tmp_path / name).path.is_dir()
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "thesis.txt").write_text("x")
    for name in ("used", "used/thesis.txt"):
        with pytest.raises(CarouselError, match="exists already, and a run is never overwritten"):
            RunFolder.create(tmp_path / name)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    """Opening tells a missing folder from one without a configuration."""
    with pytest.raises(CarouselError, match="is not a folder"):
        RunFolder.open(tmp_path / "absent")
    with pytest.raises(CarouselError, match=r"is not a run: it has no config\.yaml"):
        RunFolder.open(tmp_path)


def test_the_saved_configuration_runs_again_elsewhere(tmp_path):
    """config.yaml does not hold the folder it lies in; loading it from there adds it."""
    folder = RunFolder.create(tmp_path / "run")
    folder.save_config(LanguageConfig(hidden_size=9, out=str(tmp_path / "run"), minutes=2).with_steps(50))
    assert LanguageConfig.load(folder.config).out is None
    assert folder.load_config() == LanguageConfig(
        hidden_size=9, out=str(tmp_path / "run"), minutes=2
    ).with_steps(50)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no flock, and the lock does nothing there")
def test_only_one_process_trains_in_a_folder(tmp_path):
    """While one process holds the folder another is refused; the lock dies with its holder."""
    folder = RunFolder.create(tmp_path / "run")
    code = "from carousel.training.run.folder import RunFolder\n"
    code += f"with RunFolder({str(folder.path)!r}).locked(): print(1)"
    with folder.locked():
        refused = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "only one process at a time trains in" in refused.stderr
    taken = subprocess.run(
        [sys.executable, "-c", code + "; import os; os.kill(os.getpid(), 9)"], capture_output=True
    )
    assert taken.returncode == -9
    with folder.locked():
        pass


def test_of_two_that_begin_in_one_folder_the_second_writes_nothing(tmp_path):
    """Both have found it empty: it is locked, checked again, and only then written to."""
    first, second = RunFolder.create(tmp_path / "run"), RunFolder.create(tmp_path / "run")
    with first.begun(LanguageConfig(hidden_size=7)):
        with (
            pytest.raises(CarouselError, match="only one process at a time trains in"),
            second.begun(LanguageConfig(hidden_size=9)),
        ):
            pass
        assert first.load_config().hidden_size == 7
    with (
        pytest.raises(CarouselError, match="a run is never overwritten"),
        second.begun(LanguageConfig(hidden_size=9)),
    ):
        pass
    assert first.load_config().hidden_size == 7


def test_training_writes_only_under_the_lock(config, monkeypatch):
    """The configuration of a run that begins is written by the one who holds the folder."""
    written = []

    def save(folder, given):
        with pytest.raises(CarouselError, match="only one process"), RunFolder(folder.path).locked():
            pass
        written.append(given.hidden_size)
        real(folder, given)

    real = RunFolder.save_config
    monkeypatch.setattr(RunFolder, "save_config", save)
    train(config=config.override(steps=1))
    assert set(written) == {12}
