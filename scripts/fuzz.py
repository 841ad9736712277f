"""Spoiled files and hostile requests for as long as is wanted, each batch in a child with limits of memory and time.

    python scripts/fuzz.py --minutes 10

The attempts are those of ``tests/fuzz``, with seeds that go on from ``--seed``. What ends in anything but a result or a
``KnnclipError``, kills the child, or takes too long or too much, has failed; its seed is printed, and

    python scripts/fuzz.py --kind readers --seed 1234 --count 1

tries it again. The table at the end says how many were tried and what failed.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.fuzz.attempts import ATTEMPTS, Attempt  # noqa: E402 - found by the path above

BATCH = 40
"""Attempts of a child: enough that starting it, some seconds, is not most of the time."""

ENDPOINTS = "endpoints"
ENDPOINTS_BATCH = 200
"""The same of requests to a demo, which starts with the child and answers some ten of them a second."""

MEMORY_BYTES = 6 * 2**30
"""Address space of a child. Its libraries map some gigabytes that they never touch; what is touched is told too."""

RESIDENT_BYTES = 2**30
"""More than this in use is a failure, whatever the attempt came to."""

SECONDS = 60
"""Of one attempt."""


def child(kind: str, seed: int, count: int) -> None:
    """Tries ``count`` seeds and prints a line of JSON for each, so that a killed child tells which one it was at."""
    try:
        import resource
    except ImportError:  # Windows has no such limits
        resource = None  # type: ignore[assignment]
    else:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    with attempts_of(kind) as attempt:
        for number in range(seed, seed + count):
            print(json.dumps({"begin": number}), flush=True)
            began, failure = time.monotonic(), ""
            with tempfile.TemporaryDirectory() as folder:
                try:
                    what = attempt(Path(folder), random.Random(f"{kind} {number}"))
                except BaseException as error:
                    what, failure = "", f"{type(error).__name__}: {error}"
                    traceback.print_exc()
            resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 if resource else 0
            if not failure and resident > RESIDENT_BYTES:
                failure = f"memory: {resident / 2**30:.1f} GB"
            seconds = time.monotonic() - began
            print(json.dumps({"end": number, "what": what, "failure": failure, "seconds": seconds}), flush=True)
            if failure:
                return  # what it left in this process is not to be blamed on the next


@contextmanager
def attempts_of(kind: str) -> Iterator[Attempt]:
    """What tries one seed of a kind; for the endpoints there is a demo meanwhile."""
    if kind != ENDPOINTS:
        yield ATTEMPTS[kind]
        return
    from tests.fuzz.endpoints import hostile_client

    with tempfile.TemporaryDirectory() as folder, hostile_client(Path(folder)) as attack:
        yield attack


def batch(kind: str, seed: int, count: int) -> tuple[int, list[str], float]:
    """How many a child tried, what failed, and the seconds of the slowest."""
    command = [sys.executable, __file__, "--child", "--kind", kind, "--seed", str(seed), "--count", str(count)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS * 5, errors="replace")
        output, errors, end = done.stdout, done.stderr, f"exit code {done.returncode}"
    except subprocess.TimeoutExpired as expired:
        output, errors, end = _text(expired.stdout), "", "the limit of time"
    lines = [json.loads(line) for line in output.splitlines() if line.startswith('{"')]
    begun = [line["begin"] for line in lines if "begin" in line]
    ended = [line for line in lines if "end" in line]
    failed = [f"seed {line['end']}: {line['failure']}" for line in ended if line["failure"]]
    if len(ended) < len(begun):
        failed.append(f"seed {begun[-1]}: ended by {end}")
    elif not begun:
        failed.append(f"seed {seed}: did not begin ({errors.strip().splitlines()[-1:] or end})")
    slowest = max((line["seconds"] for line in ended), default=0.0)
    if slowest > SECONDS:
        failed.append(f"seed {seed} and on: one took {slowest:.0f} s")
    return len(begun), failed, slowest


def _text(output: bytes | str | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


def main() -> None:
    """Tries all kinds in turn until the time is over."""
    every = [*ATTEMPTS, ENDPOINTS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--kind", choices=every, help="only this kind")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--count", type=int, help="so many of each kind, whatever the time")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.kind, options.seed, options.count)
        return
    kinds = [options.kind] if options.kind else every
    tried: Counter[str] = Counter()
    failed: dict[str, list[str]] = {kind: [] for kind in kinds}
    slowest = dict.fromkeys(kinds, 0.0)
    end = time.monotonic() + options.minutes * 60
    print(f"seed {options.seed}")
    while any(tried[kind] < options.count for kind in kinds) if options.count else time.monotonic() < end:
        for kind in kinds:
            most = ENDPOINTS_BATCH if kind == ENDPOINTS else BATCH
            size = min(most, options.count - tried[kind]) if options.count else most
            if size > 0:
                count, failures, seconds = batch(kind, options.seed + tried[kind], size)
                tried[kind] += max(count, 1)
                failed[kind] += failures
                slowest[kind] = max(slowest[kind], seconds)
                for failure in failures:
                    print(f"{kind}, {failure}", flush=True)
    print(f"\n{'kind':12} {'tried':>7} {'failed':>7} {'slowest':>9}")
    for kind in kinds:
        print(f"{kind:12} {tried[kind]:7,} {len(failed[kind]):7,} {slowest[kind]:7.1f} s")
    print(f"{'all':12} {tried.total():7,} {sum(map(len, failed.values())):7,}")
    sys.exit(1 if any(failed.values()) else 0)


if __name__ == "__main__":
    main()
