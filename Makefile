# kvaccel: what is built and checked here. `make help` lists the targets.

# The engine that `make rtl` builds.
LANES       ?= 8
MAX_DIM     ?= 256
TILE_TOKENS ?= 128
MAX_TOKENS  ?= 4096
FEATURES    ?=
export LANES MAX_DIM TILE_TOKENS MAX_TOKENS FEATURES RTL_DIR RTL_OUT RTL_OPT RTL_COVERAGE VERILATOR

# How long `make lockstep` runs, and with what.
CYCLES ?= 10000000
SEED   ?= 1

# Which tests of the lab `make test` runs; `make lab` runs all.
LAB_TESTS ?= kernel,enumerate,native,permission,dfu-util,flash

# How many faults `make mutants` plants in the Verilog and in the emulator.
FAULTS          ?= 160
EMULATOR_FAULTS ?= 150

# What `make synth` is for, how often it places and routes, and how many at once.
BOARD ?= ecp5-85f
SEEDS ?= 3
JOBS  ?= 2

# What stands at the pins of `make board`.
PHY ?= uart

GO ?= go

# What `make vuln` runs.
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

# USB is built in where libusb-1.0 is.
ifeq ($(shell pkg-config --exists libusb-1.0 2>/dev/null && echo yes),yes)
export GOFLAGS := $(strip $(GOFLAGS) -tags=usb)
endif

.DEFAULT_GOAL := help
.PHONY: lab hil kvaccel help rtl rtl-trace rtl-sets lint generate test formal lockstep mutants-smoke mutants coverage coverage-go vuln bench synth growth clean unit board bitstream report-check study

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

kvaccel: ## the command line, build/kvaccel, with USB where libusb-1.0 is
	@$(GO) build -o build/kvaccel ./cmd/kvaccel

rtl: ## the Verilated engine, a program for rtl: (LANES=8 MAX_DIM=256 TILE_TOKENS=128 MAX_TOKENS=4096 FEATURES=mask)
	@scripts/build-rtl.sh

rtl-trace: ## the same with waveforms
	@scripts/build-rtl.sh trace

rtl-sets: ## the engines that the lockstep compares
	@$(GO) run ./verification/lockstep/cmd/lockstep -cycles 0 >/dev/null

lint: ## Verilator warnings for every lane count, gofmt, go vet, staticcheck
	@scripts/lint-rtl.sh
	@scripts/lint-go.sh

generate: ## everything that is generated from the specification table
	$(GO) generate ./...

test: rtl-sets ## builds the engines and runs all tests, the short lockstep among them
	$(GO) vet ./...
	KVACCEL_LAB=0 $(GO) test ./...
	@! command -v qemu-system-x86_64 >/dev/null || KVACCEL_LAB_ONLY=$(LAB_TESTS) $(MAKE) --no-print-directory lab
	@command -v qemu-system-x86_64 >/dev/null || echo "NOT RUN: the lab (make lab): no qemu-system-x86_64; scripts/setup.sh installs it" >&2

formal: ## proofs of the RTL with Yosys, and their mutants
	@$(GO) run ./verification/formal/cmd/formal

unit: ## benches of single RTL units against exact arithmetic, some minutes
	@for bench in verification/unit/*/run.sh; do echo "$$bench"; $$bench || exit 1; done

lockstep: ## emulator against RTL at every clock edge (CYCLES=10000000 SEED=1)
	$(GO) run ./verification/lockstep/cmd/lockstep -cycles $(CYCLES) -seed $(SEED)

mutants-smoke: ## shows that the lockstep catches broken RTL
	$(GO) test -count=1 -run 'Mutant' -v ./verification/lockstep

mutants: ## plants faults in the RTL and in the emulator and tells which checks notice (FAULTS=160 EMULATOR_FAULTS=150)
	$(GO) run ./verification/mutation/cmd/mutants -rtl $(FAULTS) -emulator $(EMULATOR_FAULTS) -o build/mutants.json

coverage: ## lines, branches and toggles of the RTL under the lockstep's traffic, some minutes, into docs/reference/coverage.md
	@$(GO) run ./verification/coverage/cmd/coverage -page docs/reference/coverage.md

coverage-go: ## statements of each Go package that its tests run, some minutes, into the same page
	@mkdir -p build
	@$(GO) test -cover ./cmd/... ./driver/... ./emulator/... ./hdl/... ./host/... ./internal/... >build/coverage-go.txt || { cat build/coverage-go.txt >&2; exit 1; }
	@$(GO) run ./verification/coverage/cmd/coverage -statements -page docs/reference/coverage.md <build/coverage-go.txt

vuln: ## known vulnerabilities in dependencies with govulncheck; needs the database at vuln.go.dev
	$(GO) run $(GOVULNCHECK) ./...

bench: rtl ## cycles a second of emulator and RTL, and the benchmarks of the packages
	$(GO) run ./verification/lockstep/cmd/lockstep -speed
	$(GO) test -run '^$$' -bench . ./...

synth: ## area and speed of the engine with Yosys and nextpnr, into docs/reference/synth.md (BOARD=ecp5-85f|ecp5-25f|up5k SEEDS=3 JOBS=2)
	@python3 -B scripts/synth.py $(BOARD) --seeds $(SEEDS) --jobs $(JOBS)

growth: ## how the area grows with the parameters, Yosys alone, into docs/reference/growth.md (SERIES=lanes|positions|tile JOBS=2)
	@python3 -B scripts/growth.py --series "$(SERIES)" --jobs $(JOBS)

lab: ## the command against virtual boards in a virtual machine, some minutes; needs QEMU (KVACCEL_LAB_ONLY=NAME,... for some tests)
	KVACCEL_LAB=1 $(GO) test -count=1 -timeout 12m -run TestLab -v ./verification/lab

report-check: ## the page of kvaccel report in headless Chromium
	$(GO) test -count=1 -tags browser -run Browser -v ./host/report

study: ## one of docs/studies again: results, table and figures (NAME=equal-bytes)
	@scripts/study.sh $(NAME)

board: ## a Verilated board behind standard input and output (PHY=bytes|uart|ft245|ft600|ft601, parameters as for rtl)
	@scripts/build-board.sh $(PHY)

bitstream: ## a board's bitstream with Yosys and nextpnr (BOARD=ulx3s-85f|orangecrab-25f|icebreaker SEEDS=3)
	@python3 -B scripts/bitstream.py $(BOARD) --seeds $(SEEDS)

hil: ## conformance suite and prediction on a device (DEVICE=usb:)
	$(GO) test -count=1 -v -timeout 30m $(if $(filter -tags=usb,$(GOFLAGS)),-tags 'hil usb',-tags hil) ./verification/hil -device '$(DEVICE)'

clean: ## removes build/
	rm -rf build
