"""Adds batches to a store and acknowledges each on standard output, until it is killed.

A batch is ``ROWS`` instances of one image of their own, finished with it.
"""

from __future__ import annotations

import sys

from knnclip.store import Store
from tests.store.samples import DIM, instance, units

ROWS = 12


def rows_of(number: int):
    vectors = units(number, ROWS, DIM)
    return [instance(number * 100 + i, f"class {i % 3}", f"{number}.png", embedding=vectors[i]) for i in range(ROWS)]


def acknowledge(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def main() -> None:
    with Store.open(sys.argv[1]) as store:
        source = store.begin_source("ingest", "endless", key="endless")
        finished = store.finished_images(source)
        number = 0
        while True:
            if f"{number}.png" not in finished:
                store.add(rows_of(number), source, finished_images=[f"{number}.png"])
                acknowledge(number)
                if number % 10 == 9:
                    store.search(units(number, 1, DIM), 3)
                if number % 25 == 24 and "only-add" not in sys.argv:
                    store.forget(class_name="class 2")
                    acknowledge(-number)
                if number % 40 == 39:
                    store.compact()
            number += 1


if __name__ == "__main__":
    main()
