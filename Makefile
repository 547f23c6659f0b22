# Every target says what it does, works from a clean clone, and names what is missing.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

export DVRE_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/dvre-operator
# dev: a throwaway cluster on this machine; current: the current kubectl context; kind: a kind cluster.
export CLUSTER ?= dev

.PHONY: help
help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: export DVRE_INSTALL_PACKAGES ?= yes
demo: ## Everything from a fresh checkout: cluster, images, operator, a first workflow, the HTTP API
	@hack/demo

.PHONY: test
test: check unit plugin-test learn-test e2e chaos-fast ## All tests, end-to-end ones included; what CI runs

.PHONY: check
check: ## Format, lints, licences, docs, chart and generated files; no cluster
	@hack/check

.PHONY: unit
unit: ## Tests that need no cluster
	@hack/unit

.PHONY: plugin-test
plugin-test: ## Tests of the StreamFlow plugin against the real engine
	@runner/plugin/test

.PHONY: learn-test
learn-test: ## Tests of the active-learning command and its templates, with the real scikit-learn
	@runner/learn/test

.PHONY: e2e
e2e: deploy ## Tests against the cluster: API server, examples and every class of failure
	@hack/e2e

.PHONY: chaos
chaos: deploy ## Every fault at every request of every scenario, old views, outage, soak; half an hour
	@hack/chaos

.PHONY: chaos-fast
chaos-fast: deploy ## The part of it that takes a few minutes
	@hack/chaos fast

.PHONY: cluster
cluster: ## Start the development cluster; the last line is the path of its kubeconfig
	@hack/cluster/up

.PHONY: cluster-down
cluster-down: ## Stop the development cluster, and the gateway of the demo
	@hack/gateway stop
	hack/cluster/down

.PHONY: images
images: ## Build the images, and push them where CLUSTER can pull them
	@hack/images/all

.PHONY: deploy
deploy: ## Install or upgrade the operator with freshly built images
	@hack/deploy

.PHONY: bench
bench: deploy ## Measure runs against bare Jobs, API requests and memory
	@hack/bench

.PHONY: generate
generate: ## Write the generated files anew
	@hack/generate
