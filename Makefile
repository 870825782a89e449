# What people do in this house. `make` alone says it.

GO             ?= go
VERSION        ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GOLANGCI       := v2.15.0
GOFUMPT        := v0.12.0
GORELEASER     := v2.15.4
KREW           := v0.5.0
GOVULNCHECK    := v1.8.0
PACKAGE        := github.com/kubectl-egress/kubectl-egress
LDFLAGS        := -s -w -X $(PACKAGE)/plugin.version=$(VERSION)
# Not inlining saves 3 MB and costs no time, but for the rooms that read what proxies say and judge it: they come last and stay as they
# are, for the last pattern that fits decides. TestBinary weighs what this line makes; .goreleaser.yaml has the same.
GCFLAGS        := -gcflags=k8s.io/...=-l -gcflags=sigs.k8s.io/...=-l -gcflags=google.golang.org/...=-l -gcflags=istio.io/...=-l -gcflags=go.yaml.in/...=-l -gcflags=gopkg.in/...=-l -gcflags=golang.org/x/...=-l -gcflags=github.com/...=-l -gcflags=github.com/kubectl-egress/kubectl-egress/stats/...= -gcflags=github.com/kubectl-egress/kubectl-egress/diagnose/...=
BIN            := $(CURDIR)/bin
# 10 minutes a package, which is go's default, is too little for apply on two cores that many others use.
TEST_FLAGS     ?= -shuffle=on -timeout=30m
COVER_FLOOR    := 85
FUZZTIME       ?= 30s
RACE           ?= ./...
E2E_TIMEOUT    ?= 60m
PLATFORMS      := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

export GOFLAGS = -buildvcs=false

.DEFAULT_GOAL := help
.PHONY: help build test cover race fuzz lint sec vuln vulncheck fmt docs picture krew krew-check platforms dist reproducible release-check lab-build lab-up lab-load lab-down lab-status lab-test e2e demo bench mutate clean

help: ## say what can be made
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  make %-13s %s\n", $$1, $$2}'

build: ## the plugin, as released: bin/kubectl-egress
	CGO_ENABLED=0 $(GO) build -trimpath $(GCFLAGS) -ldflags='$(LDFLAGS)' -o $(BIN)/kubectl-egress ./cmd/kubectl-egress

test: ## every test that needs no cluster and no root, and go vet
	$(GO) vet ./...
	$(GO) test $(TEST_FLAGS) ./...
	cd lab && $(GO) vet ./... && $(GO) test $(TEST_FLAGS) ./...

cover: ## the same, and what share of the program's statements they run: fails below COVER_FLOOR percent
	$(GO) vet ./...
	mkdir -p $(BIN)
	$(GO) test $(TEST_FLAGS) -coverprofile=$(BIN)/cover.out ./...
	cd lab && $(GO) vet ./... && $(GO) test $(TEST_FLAGS) ./...
	hack/cover.sh $(BIN)/cover.out $(COVER_FLOOR)

race: ## the same with the race detector, which needs cgo and a C compiler; RACE='PACKAGE…' for some
	CGO_ENABLED=1 $(GO) test -race $(TEST_FLAGS) $(RACE)
	cd lab && CGO_ENABLED=1 $(GO) test -race $(TEST_FLAGS) ./...

fuzz: ## every fuzz target for FUZZTIME each, two at a time; ONLY=REGEXP for some
	FUZZTIME=$(FUZZTIME) ONLY='$(ONLY)' hack/fuzz.sh . lab

lint: $(BIN)/golangci-lint-$(GOLANGCI) ## golangci-lint over both modules
	$< run ./...
	cd lab && $< run --config ../.golangci.yml ./...

sec: $(BIN)/golangci-lint-$(GOLANGCI) vuln ## gosec alone over both modules, and known vulnerabilities
	$< run --enable-only=gosec ./...
	cd lab && $< run --enable-only=gosec --config ../.golangci.yml ./...

vuln: build $(BIN)/govulncheck-$(GOVULNCHECK) ## known vulnerabilities in the built program; fails too where the database cannot be reached
	@hack/vuln.sh $(BIN)/govulncheck-$(GOVULNCHECK) $(BIN)/kubectl-egress

vulncheck: $(BIN)/govulncheck-$(GOVULNCHECK)
	@ln -sf govulncheck-$(GOVULNCHECK) $(BIN)/govulncheck

fmt: $(BIN)/gofumpt-$(GOFUMPT) ## gofumpt over all of it
	$< -l -w $$(git ls-files '*.go')

docs: ## what is generated under docs/: the command reference, the checks, the documents and the modes
	$(GO) test ./apply/recipe -run 'Page|TestRendered' -update
	$(GO) run ./hack/docs

platforms: ## the plugin for every platform it is released for: dist/OS-ARCH
	@set -e; for p in $(PLATFORMS); do \
		echo "$$p"; \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build -trimpath $(GCFLAGS) -ldflags='$(LDFLAGS)' -o dist/$${p%/*}-$${p#*/}/ ./cmd/kubectl-egress; \
	done

dist: ## what is released: archives of every platform, checksums, krew's manifest, in dist
	$(GO) run ./hack/release -version $(VERSION)

reproducible: ## every platform compiles, and a build elsewhere gives the same bytes (TWICE=all: of every platform)
	TWICE='$(TWICE)' hack/reproducible.sh

picture: build ## the README's run and its picture, from what make demo RECORD=1 kept
	$(GO) run ./hack/picture -record

krew: ## .krew.yaml, from .goreleaser.yaml
	$(GO) run ./hack/release -krew

krew-check: $(BIN)/krew-$(KREW)/krew ## krew's own validator, and krew itself installs what was built
	hack/krew.sh $(BIN)/krew-$(KREW)

release-check: $(BIN)/goreleaser-$(GORELEASER) ## goreleaser reads its configuration and would build the same bytes (compiles goreleaser: minutes)
	hack/goreleaser.sh $<

$(BIN)/lab: $(shell find lab -name '*.go' -o -name 'go.*' -o -name '*.yaml' 2>/dev/null)
	cd lab && $(GO) build -o $(BIN)/lab .

lab-build: $(BIN)/lab ## compile the cluster's parts and build its images (once; cached)
	$(BIN)/lab build

lab-up: lab-build ## real Kubernetes, Istio and Envoy on this machine (Linux, root)
	$(BIN)/lab up

lab-load: lab-up ## clients in the mesh, and servers outside of it
	$(BIN)/lab load

lab-status: $(BIN)/lab ## what of it runs
	$(BIN)/lab status

lab-down: $(BIN)/lab ## take the cluster away, without a trace
	$(BIN)/lab down

lab-test: lab-down ## the lab's own life: up, killed, up again, down; afterwards nothing of it is left (Linux, root)
	$(BIN)/lab build
	cd lab && LAB_E2E=1 $(GO) test -count=1 -v -run '^TestLife$$' -timeout $(E2E_TIMEOUT) .

# Against any other cluster: make e2e KUBECONFIG=FILE, on the command line. A KUBECONFIG that merely stands in the environment is
# not taken: nobody's cluster shall be tested by accident. Without it the lab is brought up.
e2e: build ## what only a cluster can show
ifeq ($(origin KUBECONFIG),command line)
	E2E=1 $(GO) test -count=1 -v -timeout $(E2E_TIMEOUT) ./e2e/... -kubeconfig '$(abspath $(KUBECONFIG))'
else
	$(MAKE) lab-load
	eval "$$($(BIN)/lab env)" && E2E=1 $(GO) test -count=1 -v -timeout $(E2E_TIMEOUT) ./e2e/...
endif

demo: build $(BIN)/lab ## the main job told as it goes; OFFLINE=1 from recorded captures, without cluster and root
	OFFLINE='$(OFFLINE)' KEEP='$(KEEP)' RECORD='$(RECORD)' hack/demo.sh

bench: build ## time and memory beside kubectl and istioctl: docs/benchmarks.md and the README's table
ifeq ($(origin KUBECONFIG),command line)
	$(GO) run ./hack/bench
	$(GO) run ./hack/bench -judge
else
	$(MAKE) lab-load
	eval "$$($(BIN)/lab env)" && $(BIN)/kubectl-egress enable --domains=edition.cnn.com --name=bench && \
		{ $(GO) run ./hack/bench && $(GO) run ./hack/bench -judge; code=$$?; $(BIN)/kubectl-egress cleanup bench --yes; exit $$code; }
endif

mutate: ## which conditions of the checks can be wrong without any test that notices; FROM=hack/mutate/ci.txt: a fixed few
	nice $(GO) run ./hack/mutate -from '$(FROM)' ./diagnose/check

clean: ## what was built here
	rm -rf $(BIN) dist

# Tools are pinned here, built by the module proxy's checksums, and kept under their version, so that a new pin builds anew.
$(BIN)/golangci-lint-$(GOLANGCI):
	GOBIN=$(BIN) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)
	mv $(BIN)/golangci-lint $@

$(BIN)/gofumpt-$(GOFUMPT):
	GOBIN=$(BIN) $(GO) install mvdan.cc/gofumpt@$(GOFUMPT)
	mv $(BIN)/gofumpt $@

$(BIN)/goreleaser-$(GORELEASER):
	GOBIN=$(BIN) $(GO) install github.com/goreleaser/goreleaser/v2@$(GORELEASER)
	mv $(BIN)/goreleaser $@

# krew says nowhere which of its versions are withdrawn, which `go install` wants to know: a module of its own asks for none of that.
$(BIN)/krew-$(KREW)/krew:
	mkdir -p $(@D)
	cd $$(mktemp -d) && $(GO) mod init tools && $(GO) mod edit -require=sigs.k8s.io/krew@$(KREW) && \
		printf 'package tools\n\nimport (\n\t_ "sigs.k8s.io/krew/cmd/krew"\n\t_ "sigs.k8s.io/krew/cmd/validate-krew-manifest"\n)\n' >tools.go && \
		GOFLAGS=-mod=mod $(GO) build -o $(@D)/ sigs.k8s.io/krew/cmd/krew sigs.k8s.io/krew/cmd/validate-krew-manifest

$(BIN)/govulncheck-$(GOVULNCHECK):
	GOBIN=$(BIN) $(GO) install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK)
	mv $(BIN)/govulncheck $@
