# Bedlam. `make` prints what there is.
.DEFAULT_GOAL := help

ENGINE ?= process
SUITE  ?= default
SEED   ?= 1
# cron, systemd and some CI runners set no HOME, where go keeps its caches.
ifeq ($(HOME),)
export HOME := $(filter /%,$(shell eval echo ~$$(id -un)))
endif
# A checkout that belongs to another user, as in a container, is fine to build:
# git is told so, and go need not ask it.
COMMIT := $(shell git -c safe.directory='*' rev-parse HEAD 2>/dev/null)
# Static binaries: the shop's image has no C library.
GOBUILD := CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags '-s -w -X github.com/bedlamlab/bedlam.Commit=$(COMMIT)'

# The race detector wants cgo, a C compiler and its library's headers.
HASCC := test "$$(go env CGO_ENABLED)" = 1 && echo 'int main(void) { return 0; }' | $$(go env CC) -include stdlib.h -pthread -x c -o /dev/null - 2>/dev/null

.PHONY: help
help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/bedlam and bin/shop
	@mkdir -p bin
	$(GOBUILD) -o bin/bedlam ./cmd/bedlam
	$(GOBUILD) -o bin/shop ./cmd/shop

.PHONY: chaos
chaos: build ## break the shop and judge it  [ENGINE=process] [SUITE=default|smoke] [SEED=1]
	@bin/bedlam run --engine $(ENGINE) --seed $(SEED) $(SUITE)

.PHONY: up
up: build ## start the shop and its customers, until Ctrl-C  [ENGINE=process]
	@bin/bedlam up --engine $(ENGINE)

.PHONY: monkey
monkey: build ## start the shop and keep breaking it, until Ctrl-C  [ENGINE=process] [SEED=1] [MONKEY="--mean 30s …"]
	@bin/bedlam monkey --engine $(ENGINE) --seed $(SEED) $(MONKEY)

.PHONY: test
# Four packages at a time: half of their time they wait, for restarts, leases and daemons.
# The longest begin first, or one of them would go on alone at the end.
test: build ## run all tests (under 12 minutes on 2 cores)
	@export GOFLAGS="$$(go env GOFLAGS) -buildvcs=false"; race=-race; \
	$(HASCC) || { race=; echo "cgo has no working C compiler here: testing without the race detector"; }; \
	pg=$$(bin/bedlam postgres) && export PATH="$$PATH:$$pg" || echo "no PostgreSQL: the tests that need one are skipped"; \
	bin/bedlam doctor | awk '$$1 != "✓" && $$2 == "docker" { sub(/^[^ ]+ +docker +/, ""); print "no Docker: the tests that need it are skipped: " $$0 }'; \
	test "$$(id -u)" = 0 || echo "not root: the tests that need it are skipped"; \
	{ command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null || echo "no Chromium: the tests that look at pages are skipped"; \
	set -x; go test $$race -p 4 -timeout 20m -shuffle=on ./deploy/docker ./cmd/bedlam ./verify/heal ./...

.PHONY: image
image: build ## build the container image of the shop  [BEDLAM_IMAGE=bedlam:local]
	docker build -q -t $${BEDLAM_IMAGE:-bedlam:local} -f deploy/compose/Dockerfile bin

.PHONY: compose
compose: build ## write the compose files of deploy/compose again
	@bin/bedlam compose > bin/compose.yaml && mv bin/compose.yaml deploy/compose/compose.yaml
	@bin/bedlam compose --bundled > bin/bundled.yaml && mv bin/bundled.yaml deploy/compose/bundled.yaml
	@bin/bedlam compose --system > bin/system.yaml && mv bin/system.yaml deploy/compose/system.yaml

.PHONY: docs
docs: build ## write docs/faults.md again
	@bin/bedlam list faults --markdown > bin/faults.md && mv bin/faults.md docs/faults.md

# The plugin if it is there, else the program of old.
COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
STORES  ?= official

.PHONY: compose-up
compose-up: image ## start the shop in containers, without Bedlam, at http://127.0.0.1:8080  [STORES=official|bundled]
ifeq ($(STORES),bundled)
	docker tag "$$(bin/bedlam compose image)" bedlam-postgres:local
	$(COMPOSE) -p bedlam-shop -f deploy/compose/compose.yaml -f deploy/compose/bundled.yaml up -d
else
	$(COMPOSE) -p bedlam-shop -f deploy/compose/compose.yaml up -d
endif

.PHONY: compose-down
compose-down: ## remove what compose-up started, and its data
	$(COMPOSE) -p bedlam-shop -f deploy/compose/compose.yaml -f deploy/compose/bundled.yaml down -v --remove-orphans

.PHONY: bench
bench: build ## measure the shop: start, memory, the rate that it holds
	@bin/bedlam bench

.PHONY: bench-engines
bench-engines: build ## compare the engines in rounds that take turns (about 5 minutes; wants Docker)
	@bin/bedlam bench engines

.PHONY: bench-faults
bench-faults: build ## compare the relay with haproxy and Toxiproxy in rounds that take turns, and measure the faults (about 5 minutes; packet faults want root)
	@bin/bedlam bench faults

.PHONY: verify-verdict
verify-verdict: build ## ten seeds of the shop as it is, harmless patches and a sample of the defects (about 2 h; goes on where it was)
	@bin/bedlam verify --seeds 10

.PHONY: verify-sample
verify-sample: build ## one seed of each of verify-verdict's subjects (about 8 minutes)
	@bin/bedlam verify --seeds 1 --results $$(mktemp -d)/verdict.jsonl clean
	@bin/bedlam verify --seeds 1 --suite smoke --results $$(mktemp -d)/verdict.jsonl

.PHONY: verify-defects
verify-defects: build ## score Bedlam: every seeded bug, every decoy and the shop as it is, ten times (about 5 h; goes on where it was)
	@bin/bedlam defects --repeat 10

.PHONY: verify-unharmed
verify-unharmed: build ## no seeded bug shows without its fault (about 20 minutes; goes on where it was)
	@bin/bedlam defects --unharmed

.PHONY: verify-heal
verify-heal: build ## fifty runs, interrupted or killed at seeded moments: nothing is left (about 15 minutes; goes on where it was)
	@bin/bedlam verify heal --moments 50

.PHONY: verify-heal-docker
verify-heal-docker: build ## the same for thirty runs in containers (about 15 minutes; wants Docker)
	@bin/bedlam verify heal --engine docker --moments 30

.PHONY: verify-heal-faults
verify-heal-faults: build ## runs and monkeys killed with every fault on, and at every step of the journal  [ENGINE=process] (three at a time, about half an hour; goes on where it was)
	@bin/bedlam verify heal --faults --engine $(ENGINE)

.PHONY: verify-cycles
verify-cycles: ## ten thousand faults of the relay, and a thousand of the kernel (as root), injected and lifted: nothing is left (about ten minutes)
	BEDLAM_CYCLES=10000 go test -count 1 -timeout 1h -run CyclesLeaveNothing ./verify/heal

.PHONY: mutate
mutate: build ## change the judge in one place at a time: its tests must notice (about 2 h; goes on where it was)
	@bin/bedlam verify mutate

.PHONY: lint
lint: ## gofmt, vet, staticcheck, go.mod tidy, contracts
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "not gofmt'ed:"; echo "$$out"; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go mod tidy -diff

.PHONY: generate
generate: ## write the generated code again (wants buf)
	buf lint
	buf generate
