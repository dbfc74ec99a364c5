# The front door: `make` lists the targets. ARGS goes to the command: make demo ARGS="--for 20".
PYTHON ?= python3
JOBS ?= 4
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo flash test test-mpy lint type conformance bench box bench-box docs vendor screenshots clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "make %-12s %s\n", $$1, $$2}'

setup: $(READY)  ## make the virtual environment .venv with all that is needed

$(READY): pyproject.toml tools/setup.sh
	@PYTHON=$(PYTHON) tools/setup.sh $@

demo: setup  ## server, gateway and MicroPython UEs on this machine, live
	@$(BIN)/msgin5g demo $(ARGS)

# PORT: a0, u0, a device; none: the only board on USB. LINK: how it reaches the gateway.
flash: setup  ## install the firmware on a board: make flash PORT=a0 LINK=serial://uart0
	@$(BIN)/msgin5g flash $(if $(PORT),--port $(PORT)) $(if $(LINK),--link "$(LINK)") $(ARGS)

# Most tests wait for something, so that twice as many run at once as there are cores.
test: setup  ## run all tests, JOBS at once
	@tools/test_packages.sh
	@$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

test-mpy: setup  ## run the tests that run on MicroPython
	@$(BIN)/python -m pytest tests/msgin5g/test_on_micropython.py tests/firmware/test_process.py tests/system/test_ue_heap.py $(ARGS)

lint: setup  ## check style and format
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

type: setup  ## check types
	@$(BIN)/mypy
	@for port in rp2 esp32; do MYPYPATH=.venv/stubs/$$port $(BIN)/mypy --config-file firmware/mypy.ini \
	    --custom-typeshed-dir .venv/stubs/$$port --cache-dir .mypy_cache/$$port || exit 1; done

conformance: setup  ## which statements of the standard have a passing test
	@$(BIN)/python tests/conformance/report.py $(ARGS)

bench: setup  ## measure throughput, latency, memory and wire bytes
	@$(BIN)/msgin5g bench $(ARGS)

box: setup  ## a Raspberry Pi Pico in a box: set up what is missing, run it
	@tools/test_packages.sh
	@$(BIN)/python -m msgin5g_tools.pico_box $(ARGS)

bench-box: setup  ## the bench on a Pico in a box: scenarios, and what they may cost
	@tools/test_packages.sh
	@$(BIN)/python -m msgin5g_tools.pico_box --setup
	@$(BIN)/python -m pytest tests/bench --target pico-box -o junit_family=xunit1 --junitxml=build/bench-box.xml $(ARGS)

vendor:  ## put the browser libraries of the live page into it anew, as tools/page/package-lock.json names them
	@tools/page/install.sh host/msgin5g_host/page/vendor

screenshots: setup  ## take the pictures of docs/pictures from the page of the running demo
	@tools/test_packages.sh
	@$(BIN)/python -m tests.page.screenshots $(ARGS)

docs: setup  ## write the pages of docs/reference anew from the code
	@$(BIN)/python -m msgin5g_tools.reference

clean:  ## remove all that was made, the virtual environment too
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
