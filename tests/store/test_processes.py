from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from knnclip.store import Store

from .samples import DIM, FINGERPRINT, answers, units
from .writer import ROWS

ROOT = Path(__file__).parents[2]
KILLS = 20


def start_writer(store, log, *options):
    """A writer whose acknowledgements go to the file ``log``: what a pipe has taken in is lost with its reader."""
    command = [sys.executable, "-m", "tests.store.writer", str(store), *options]
    with log.open("w") as sink:
        writer = subprocess.Popen(command, cwd=ROOT, stdout=sink, stderr=subprocess.PIPE, text=True)
    while writer.poll() is None and not log.read_text():  # its imports take a while
        time.sleep(0.01)
    return writer


def test_killing_a_writer_at_any_moment_loses_and_tears_nothing(tmp_path):
    path, log = tmp_path / "store", tmp_path / "acknowledged"
    Store.create(path, FINGERPRINT).close()
    rng = random.Random(0)
    acknowledged: set[int] = set()
    for _ in range(KILLS):
        writer = start_writer(path, log)
        time.sleep(rng.uniform(0, 0.15))
        writer.send_signal(signal.SIGKILL)
        _, errors = writer.communicate()
        assert writer.returncode == -signal.SIGKILL, errors
        complete = log.read_text().split("\n")[:-1]
        numbers = [int(line) for line in complete]
        assert not acknowledged.intersection(number for number in numbers if number >= 0)
        acknowledged.update(number for number in numbers if number >= 0)

        with Store.open(path) as store:
            assert store.verify() == []
            (source,) = store.sources()
            finished = {int(ref.removesuffix(".png")) for ref in store.finished_images(source.source_id)}
            assert acknowledged <= finished
            assert len(finished - acknowledged) <= 1  # committed, and killed before it could say so
            acknowledged = finished
            rows = Counter((row.image_ref, row.class_name) for row in store.instances())
            # Every class of a batch is whole or forgotten as a whole.
            assert set(rows.values()) == {ROWS // 3}
            for name in ("class 0", "class 1"):
                assert {ref for ref, known in rows if known == name} == {f"{number}.png" for number in finished}
            forgotten = {number for number in finished if (f"{number}.png", "class 2") not in rows}
            assert forgotten == set(range(len(forgotten)))
            found = answers(store)
        (path / "index.cache").unlink(missing_ok=True)
        with Store.open(path, read_only=True) as store:
            assert answers(store) == found
    assert len(acknowledged) > KILLS


def test_a_reader_during_writes_sees_whole_batches_that_only_grow(tmp_path):
    path = tmp_path / "store"
    Store.create(path, FINGERPRINT).close()
    writer = start_writer(path, tmp_path / "acknowledged", "only-add")
    try:
        with Store.open(path, read_only=True) as reader:
            last = 0
            deadline = time.monotonic() + 60
            while last < 24 * ROWS and time.monotonic() < deadline:
                with reader.view() as view:
                    found = view.search(units(1, 2, DIM), 5)
                    rows = int(view.census.instances.sum())
                    evidence = view.evidence(found.instance_id.ravel())
                assert found.valid.all()
                assert set(evidence) == set(found.instance_id.ravel().tolist())
                assert rows >= last
                assert rows % (ROWS // 3) == 0
                last = rows
            assert last > 0
    finally:
        writer.kill()
        writer.communicate()


def test_two_writers_take_turns(tmp_path):
    path = tmp_path / "store"
    Store.create(path, FINGERPRINT).close()
    script = (
        "import sys\n"
        "from knnclip.store import Store\n"
        "from tests.store.samples import instance\n"
        "number = int(sys.argv[2])\n"
        "with Store.open(sys.argv[1]) as store:\n"
        "    source = store.begin_source('teach', str(number))\n"
        "    for i in range(30):\n"
        "        store.add([instance(number * 1000 + i, f'class {i % 4}')], source)\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", script, str(path), str(number)], cwd=ROOT, stderr=subprocess.PIPE)
        for number in range(2)
    ]
    for writer in writers:
        _, errors = writer.communicate()
        assert writer.returncode == 0, errors
    with Store.open(path) as store:
        assert [source.instances for source in store.sources()] == [30, 30]
        assert len(store.vocabulary()) == 4
        assert store.verify() == []
