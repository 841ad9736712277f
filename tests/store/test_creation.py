"""A store is there as a whole or not at all, whenever the process that makes it is killed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from knnclip.store import Store
from knnclip.store.drafts import PREFIX

from .samples import FINGERPRINT, batch, new_store

ROOT = Path(__file__).parents[2]
SETTINGS = {"preset": "p", "min_area": "700"}

SCRIPTS = {
    "create": (
        "import sys\n"
        "from knnclip.store import Store\n"
        "from tests.store.samples import FINGERPRINT\n"
        f"Store.create(sys.argv[1], FINGERPRINT, settings={SETTINGS!r}).close()\n"
    ),
    "import": "import sys\nfrom knnclip.store import Store\nStore.import_file(sys.argv[1], sys.argv[2])\n",
}


def run_and_kill(script, store, file, call, number):
    """Whether the script was killed on entering its ``number``-th call of the kernel of this name."""
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={call}:signal=KILL:when={number}"]
    done = subprocess.run(
        [*command, sys.executable, "-c", script, str(store), str(file)], cwd=ROOT, capture_output=True, text=True
    )
    if "ptrace" in done.stderr:
        pytest.skip(f"strace cannot trace here: {done.stderr.strip()}")
    assert done.returncode in (0, -9, 137), done.stderr
    return done.returncode != 0


@pytest.mark.skipif(shutil.which("strace") is None, reason="kills at calls of the kernel need strace")
@pytest.mark.parametrize("act", SCRIPTS)
@pytest.mark.parametrize("call", ["fsync", "fdatasync", "rename", "rmdir", "ftruncate"])
def test_a_kill_at_any_call_leaves_a_whole_store_or_none(tmp_path, act, call):
    (tmp_path / "given").mkdir()
    with new_store(tmp_path / "given", batch(1, 20)) as given:
        given.set_setting("preset", "p")
        given.set_setting("min_area", "700")
        given.export(tmp_path / "given" / "file")
    folder = tmp_path / "here"
    folder.mkdir()
    for number in range(1, 100):
        killed = run_and_kill(SCRIPTS[act], folder / "store", tmp_path / "given" / "file", call, number)
        if (folder / "store").exists():
            with Store.open(folder / "store", fingerprint=FINGERPRINT) as store:
                assert store.verify() == []
                assert {name: store.get_setting(name) for name in SETTINGS} == SETTINGS
                assert len(store) == (20 if act == "import" else 0)
                store.leftovers()
        else:
            assert killed
            Store.create(folder / "other", FINGERPRINT).close()  # clears away
        assert not list(folder.glob(f"{PREFIX}*"))
        shutil.rmtree(folder)
        folder.mkdir()
        if not killed:
            return
    pytest.fail("there is no end to it")


def test_an_empty_folder_gives_way_where_renaming_onto_one_is_refused(tmp_path, monkeypatch):
    rename = Path.rename

    def renamed_as_by_windows(self, target):
        if Path(target).exists():
            raise FileExistsError(f"{target} exists")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", renamed_as_by_windows)
    (tmp_path / "store").mkdir()
    Store.create(tmp_path / "store", FINGERPRINT, settings=SETTINGS).close()
    with Store.open(tmp_path / "store") as store:
        assert store.get_setting("min_area") == "700"
