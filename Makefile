# Everything else is installed by these: a machine needs root, python3 and make.
.DEFAULT_GOAL := help
.PHONY: help demo demo-down prod-lab prod-lab-down check test prove

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

demo: ## a platform on one container host, from nothing, with a first run in it
	@python3 tools/lab.py up demo

demo-down: ## remove what demo made
	@python3 tools/lab.py down demo

prod-lab: ## inventories/prod on containers
	@python3 tools/lab.py up prod-lab

prod-lab-down: ## remove what prod-lab made
	@python3 tools/lab.py down prod-lab

check: ## the fast loop: lint and unit tests
	@python3 tools/suite.py check

test: ## everything that proves the collection
	@python3 tools/suite.py test

prove: ## the long proofs: kills, bad inputs on hosts, benchmarks
	@python3 tools/suite.py prove
