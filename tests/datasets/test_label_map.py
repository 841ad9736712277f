"""The classes of label images in Pascal VOC's layout."""

import pytest

from knnclip.datasets.label_map import read_label_map
from knnclip.errors import DatasetError


def test_a_value_is_a_place_and_a_name_may_hold_colons(tmp_path):
    (tmp_path / "labelmap.txt").write_text(
        '# label:color_rgb:parts:actions\nbackground:0,0,0::\n\ncar: red:128, 0,0:wheel,door:go\n"a\\nb":0,128,0::\n'
    )
    found = read_label_map(tmp_path / "labelmap.txt")
    assert [(value, label.name, label.is_thing, label.color) for value, label in found.items()] == [
        (0, "background", False, (0, 0, 0)),
        (1, "car: red", True, (128, 0, 0)),
        (2, "a\nb", True, (0, 128, 0)),
    ]


def test_no_class_has_the_value_of_the_border(tmp_path):
    (tmp_path / "labelmap.txt").write_text("".join(f"{number}:0,0,0::\n" for number in range(257)))
    found = read_label_map(tmp_path / "labelmap.txt")
    assert 255 not in found
    assert found[256].name == "255"


@pytest.mark.parametrize("line", ["car", "car:1,2::", "car:1,2,256::", "car:1,2,x::", "background:0,0,0::"])
def test_a_broken_line_is_an_error_with_its_number(tmp_path, line):
    (tmp_path / "labelmap.txt").write_text(f"background:0,0,0::\n{line}\n")
    with pytest.raises(DatasetError, match=r"labelmap\.txt line 2: .*(expected `name:R,G,B|is listed twice)"):
        read_label_map(tmp_path / "labelmap.txt")
