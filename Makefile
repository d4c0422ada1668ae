# One line per task. Python 3.11 is taken from the first of these that is one; `make PYTHON=/path/to/python3.11 run` names another.
PYTHON := $(shell for p in python3.11 python3 python; do "$$p" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo "$$p" && break; done)
export PATH := $(CURDIR)/.venv/bin:$(PATH)
.PHONY: run test serve schedule check bench clean

run: .venv/.done ; zhijian retrain && zhijian recommend --user u00042 && zhijian report
test: .venv/.done ; pytest
serve: .venv/.done ; zhijian serve
schedule: .venv/.done ; zhijian schedule
check: .venv/.done ; ruff check && ruff format --check && pyright --pythonpath .venv/bin/python && lint-imports
bench: .venv/.done ; set -e; for name in pipeline ingest serving table; do python benchmarks/$$name.py; done
clean: ; rm -rf .venv .state artifacts reports

.venv/.done: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "no Python 3.11 found: install it, or name it: make PYTHON=/path/to/python3.11 run" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	.venv/bin/pip install --quiet -c constraints.txt -e '.[serve,dev]'
	touch .venv/.done
