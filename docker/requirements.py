"""Prints what the package needs, a line each, without FAISS for GPUs: ``python requirements.py pyproject.toml``.

The package's own metadata asks for it on Linux, with some gigabytes of libraries that a CPU image has no use for.
"""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path(sys.argv[1]).read_text())["project"]
needed = [line.partition(";")[0].strip() for line in project["dependencies"] if not line.startswith("faiss-gpu")]
sys.stdout.write("\n".join(needed) + "\n")
