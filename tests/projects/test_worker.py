"""The line of pictures that the background works through."""

import threading

import pytest

from knnclip.errors import ImageError, StoreError
from knnclip.projects.kept import KeptAnalyses
from knnclip.projects.worker import Worker


class Bench:
    """A worker that waits at its first picture until it is let go."""

    def __init__(self, errors=()):
        self.done, self.go, self.begun = [], threading.Event(), threading.Event()
        self.errors = dict(errors)
        self.worker = Worker(self.work)

    def work(self, number):
        self.begun.set()
        assert self.go.wait(10)
        self.done.append(number)
        if number in self.errors:
            raise self.errors[number]

    def finish(self):
        self.go.set()
        self.worker.join()
        return self.done


def test_pictures_go_in_their_order_and_the_newest_asked_first():
    bench = Bench()
    bench.worker.start([1, 2, 3, 4, 5, 3], since=7)
    assert bench.begun.wait(10)
    for number in (4, 5, 1, 99):
        bench.worker.ask(number)
    assert bench.finish() == [1, 5, 4, 2, 3]
    state = bench.worker.state
    assert (state.is_running, state.total, state.done, state.since, state.error) == (False, 5, 5, 7, None)


def test_a_bad_picture_ends_nothing_and_a_bad_store_ends_all():
    bench = Bench({1: ImageError("damaged"), 3: StoreError("the disk is full")})
    bench.worker.start([1, 2, 3, 4], since=0)
    assert bench.finish() == [1, 2, 3]
    assert (bench.worker.state.done, bench.worker.state.error) == (2, "the disk is full")
    bench.worker.start([4], since=0)
    assert bench.finish()[-1] == 4
    assert bench.worker.state.error is None


def test_what_nobody_foresaw_is_told():
    bench = Bench({1: ZeroDivisionError("by nought")})
    bench.worker.start([1], since=0)
    bench.finish()
    assert bench.worker.state.error == "ZeroDivisionError: by nought"


def test_stopping_ends_after_the_picture_under_work():
    bench = Bench()
    bench.worker.start([1, 2, 3], since=0)
    assert bench.begun.wait(10)
    bench.go.set()
    bench.worker.stop()
    assert not bench.worker.state.is_running
    assert bench.worker.state.done == len(bench.done)


def test_a_new_run_takes_the_place_of_the_one_before():
    class Heard:
        total, items = 0, 0

        def start(self, total, done=0):
            self.total = total

        def advance(self):
            self.items += 1

    bench, heard = Bench(), Heard()
    bench.worker.start([1, 2, 3], since=0)
    assert bench.begun.wait(10)
    bench.worker.start([2, 3], since=1, progress=heard)
    assert bench.finish() == [1, 2, 3]
    assert (heard.total, heard.items, bench.worker.state.done) == (2, 2, 2)


@pytest.fixture
def analyses(segmenter, folder):
    return [segmenter.analyse(folder / f"{number}.png") for number in range(3)]


def test_the_background_drives_nothing_out_of_memory(analyses, monkeypatch):
    monkeypatch.setattr("knnclip.projects.kept._size", lambda _: 10)
    kept = KeptAnalyses(most_bytes=20)
    for number, analysis in enumerate(analyses):
        kept.put(number, analysis, by_hand=False)
    assert [kept.get(number) is analysis for number, analysis in enumerate(analyses)] == [True, True, False]
    kept.get(0)
    kept.put(2, analyses[2], by_hand=True)
    assert [kept.get(number) is not None for number in range(3)] == [True, False, True]
