#!/bin/sh
# Builds detectron2 from its source, for the CPU, in a folder that is removed afterwards, and runs the tests that need
# it. The environment that knnclip is installed in is only read.
#
#   scripts/test_detectron2.sh PYTHON SRC [PROJECTS]
#
# PROJECTS are checkouts of Mask2Former and FC-CLIP, joined by colons: their own networks are then tested too.
set -eu
outer=$1 src=$2 projects=${3:-}
[ -f "$src/setup.py" ] || { echo "no checkout of detectron2 in '$src'; write SRC=/path/to/detectron2" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -R "$src" "$folder/src"
"$outer" -m venv "$folder/venv"
python=$folder/venv/bin/python
packages='import site; print(site.getsitepackages()[0])'
"$outer" -c "$packages" > "$("$python" -c "$packages")/outer.pth"

echo "building detectron2 in $folder: some minutes"
# It imports pkg_resources, which newer versions of setuptools have not; older ones cannot make wheels alone.
"$python" -m pip install --quiet --disable-pip-version-check 'setuptools>=70.1,<81'
CUDA_VISIBLE_DEVICES='' FORCE_CUDA=0 \
    "$python" -m pip install --quiet --disable-pip-version-check --no-build-isolation "$folder/src"
if [ -n "$projects" ]; then
    # FC-CLIP's code is for the text tower of this version.
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps open_clip_torch==2.16.0
fi
PYTHONPATH=$PWD:$projects "$python" -m pytest -rs -p no:cacheprovider tests/test_detectron2_catalog.py \
    tests/networks/test_detectron2*.py tests/datasets/test_detectron2*.py tests/metrics/test_references.py
