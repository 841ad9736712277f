"""Batch evaluation for clusters: any number of shards score their images into one folder, a last call makes the report.

    python scripts/evaluate_miou.py DATA --store S --report O --shard 0/4     # ... to 3/4, anywhere, at any time
    python scripts/evaluate_miou.py DATA --store S --report O --merge

It is ``knnclip evaluate`` with all its options, for where the package is not installed as a command. A shard that was
interrupted continues when it is run again, and an image that any shard has is not scored twice. The store and the data
must be the same for all.
"""

from __future__ import annotations

import sys

from knnclip.cli import main

if __name__ == "__main__":
    sys.argv.insert(1, "evaluate")
    main()
