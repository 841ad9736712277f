"""The README's example for Python, word for word, on real photographs."""

import re
import shutil
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def test_the_example_for_python_runs_as_it_stands(tmp_path, monkeypatch, shared_data, capsys):
    section = README.read_text(encoding="utf-8").split("## From Python", 1)[1]
    (code, *_) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    photographs = sorted((shared_data / "camvid" / "val" / "images").iterdir())
    for name, photograph in zip(("street.jpg", "next-street.jpg"), photographs[:2], strict=True):
        shutil.copy(photograph, tmp_path / name)  # what an image is does not depend on its name
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(README), "exec"), {})
    assert "traffic cone" in capsys.readouterr().out
