# The doors for people. `make demo` and `make test` set everything up by themselves.

PY := .venv/bin/python
SYSTEM_DEMO := libzbar0
SYSTEM_TEST := libzbar0 mosquitto nats-server postgresql systemd chromium-headless-shell espeak-ng

.PHONY: help setup setup-test wallet demo story test check bench soak chaos fuzz lives lock clean

help:
	@echo "make demo    the whole system on this machine, to look at and to try, until Ctrl-C"
	@echo "make story   the same system, playing its story once"
	@echo "make test    set up and run the tests"
	@echo "make check   ruff and mypy over code and tests"
	@echo "make bench   the benchmarks, each beside its peer and its floor"
	@echo "make soak    a reader for an hour while everything fails at random; MINUTES=30 for another time"
	@echo "make chaos   server, broker and 1,000 connections for ten minutes while everything fails; MINUTES=2"
	@echo "make fuzz    a million inputs for each decoder"
	@echo "make lives   a thousand lives of entries at random, against a model; LIVES=10000 for more"
	@echo "make wallet  build the traveller's pages that the server serves under /wallet/"
	@echo "make setup   make .venv and check the system packages"
	@echo "make lock    lock the dependencies anew"

setup:
	@scripts/setup $(SYSTEM_DEMO)

setup-test:
	@scripts/setup $(SYSTEM_TEST)
	@scripts/build-wallet

wallet: setup
	@scripts/build-wallet

demo: wallet
	@.venv/bin/waypass demo

story: setup
	@.venv/bin/waypass demo --headless

# More processes than cores: most tests wait for programs, brokers and disks. A file stays in one process, so that each
# system is started once (`tests/conftest.py` puts the files in an order for that).
test: setup-test
	@$(PY) -m pytest -n 4 --dist loadfile --no-loadscope-reorder

# Needs no system packages.
check:
	@scripts/setup
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy protocol device server simulator tests benchmarks scripts

bench: setup-test
	@$(PY) benchmarks/decision.py
	@$(PY) benchmarks/propagation.py --broker embedded
	@$(PY) benchmarks/propagation.py --broker mosquitto
	@$(PY) benchmarks/propagation.py --broker mosquitto --readers 50 --readers 500 --changes 60
	@$(PY) benchmarks/decode.py
	@$(PY) benchmarks/gate.py
	@$(PY) benchmarks/status_list.py
	@$(PY) benchmarks/cold_start.py
	@$(PY) benchmarks/issue.py
	@$(PY) benchmarks/import.py --rows 100000

soak: MINUTES ?= 60
soak: setup-test
	@$(PY) benchmarks/soak.py --minutes $(MINUTES)

chaos: MINUTES ?= 10
chaos: setup-test
	@$(PY) benchmarks/chaos.py --minutes $(MINUTES)

fuzz: setup
	@nice $(PY) -m tests.fuzz --inputs 1000000

lives: LIVES ?= 1000
lives: setup
	@WAYPASS_LIVES=$(LIVES) nice $(PY) -m pytest tests/server/test_life_machine.py

# Names no registry: the file holds names, versions and hashes only.
lock: setup
	@$(PY) -m pip install --quiet --disable-pip-version-check uv
	@.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --all-extras --generate-hashes \
		--no-emit-index-url --no-header pyproject.toml -o requirements/lock.txt

clean:
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	@rm -rf server/wallet/node_modules server/waypass_server/pages/wallet
