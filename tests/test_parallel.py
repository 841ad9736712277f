"""Order, bounds and failures of the threaded map."""

import threading
import time

import pytest

from knnclip.parallel import map_ahead


def test_results_come_in_the_order_of_the_items():
    def slow_when_early(i):
        time.sleep(0.002 * (10 - i))
        return i

    assert list(map_ahead(slow_when_early, range(10), workers=4)) == list(range(10))


def test_items_are_not_read_further_ahead_than_twice_the_workers():
    read = []

    def items():
        for i in range(100):
            read.append(i)
            yield i

    results = map_ahead(lambda i: i, items(), workers=3)
    for i in range(20):
        assert next(results) == i
        assert len(read) <= i + 1 + 2 * 3
    results.close()
    assert len(read) < 100


def test_several_calls_run_at_once():
    meet = threading.Barrier(2, timeout=20)
    assert len(list(map_ahead(lambda _: meet.wait(), range(4), workers=2))) == 4


def test_a_failure_comes_where_its_result_would_have_come():
    def fail_at_two(i):
        if i == 2:
            raise ValueError("two")
        return i

    results = map_ahead(fail_at_two, range(1000), workers=2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)


def test_nothing_in_nothing_out():
    assert list(map_ahead(lambda i: i, [], workers=2)) == []
