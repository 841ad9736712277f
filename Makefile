# make demo   fresh machine to the web demo at http://127.0.0.1:7860
# make test   every check and test
# make lint   ruff and mypy alone
# make test-detectron2 SRC=/path/to/detectron2 [PROJECTS=/path/to/Mask2Former:/path/to/fc-clip]
#             builds detectron2 for once and runs the tests that need it

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test test-detectron2 lint clean chromium

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --progress-bar off --editable '.[dev]'
	@touch $@

demo: $(INSTALLED)
	$(BIN)/python demo/app.py

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The browser tests drive Debian's Chromium; where it is not there and cannot be installed they are skipped, visibly.
chromium:
	@if command -v chromium chromium-browser google-chrome >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing chromium for the browser tests"; \
		{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends chromium; } >/dev/null \
			|| echo "chromium could not be installed: the browser tests will be skipped"; \
	else echo "no chromium, and no root to install it: the browser tests will be skipped"; fi

test: lint chromium
	$(BIN)/python -m pytest --numprocesses auto

test-detectron2: $(INSTALLED)
	scripts/test_detectron2.sh $(BIN)/python "$(SRC)" "$(PROJECTS)"

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache before_after tests/browser/screenshots
