"""The installed command, run as a user runs it."""

import subprocess
import sys
from pathlib import Path

KNNCLIP = Path(sys.executable).with_name("knnclip")


def run(*arguments, code=0):
    done = subprocess.run([KNNCLIP, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == code, f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done


def ingest(*arguments, code=0):
    """Into a store of the preset that takes no time for a network; tests of others name theirs."""
    return run("ingest", *arguments, "--preset", "builtin", code=code)


def error_of(*arguments):
    """The message of a command that must fail: the one line after whatever progress was shown."""
    message = run(*arguments, code=2).stderr.strip().splitlines()[-1]
    assert message.startswith("error: ")
    return message
