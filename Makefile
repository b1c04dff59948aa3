# Everything one does here has a name. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
WORKERS ?= 3# tests mostly wait for processes: a few more than there are cores
# Dozens of processes start here, and a third of a start is compiling what was compiled before.
export PYTHONDONTWRITEBYTECODE :=
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile

.PHONY: help run dev test browser sheet pictures lint format types bench check

help: ## List these targets
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

run: .venv/runtime ## Install what is missing, then start Carrel (PORT=8000)
	@exec $(BIN)/python manage.py quickstart

dev: .venv/everything ## The same with DEBUG: templates and code reload
	@exec env DEBUG=1 $(BIN)/python manage.py quickstart

test: .venv/everything ## Run every test this machine can; say which it cannot
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

browser: .venv/everything ## Only the tests that drive Chromium
	@$(BIN)/python -m pytest tests/browser $(ARGS)

sheet: .venv/everything ## A picture of every page in every state, in var/sheet
	@$(BIN)/python -m tests.browser.contact_sheet

pictures: .venv/everything ## Take the pictures of the README again
	@$(BIN)/python -m tests.browser.readme_pictures

lint: .venv/everything ## Style, templates, layers, migrations
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/djlint --quiet --lint --check templates
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python manage.py makemigrations --check --dry-run
	@$(BIN)/python manage.py check

format: .venv/everything ## Put style right where a tool can
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .
	@$(BIN)/djlint --quiet --reformat templates

types: .venv/everything ## Check the types
	@$(BIN)/pyright

bench: .venv/everything ## Print the numbers this design promises
	@$(BIN)/python -m bench

check: lint types test ## All that CI does

# A stamp is written last, so an installation that was interrupted is done again, and one made
# from another pyproject.toml is brought up to date.
.venv/runtime: pyproject.toml .venv/bin/pip
	@echo "Installing Carrel into .venv (about a minute, once) ..."
	@$(PIP) --editable .
	@touch $@

.venv/everything: pyproject.toml .venv/bin/pip
	@echo "Installing Carrel and its test tools into .venv (about two minutes, once) ..."
	@$(PIP) --editable '.[test,postgres,redis]'
	@touch .venv/runtime $@

# PYTHON=/path/to/python chooses another one than the first that is new enough.
.venv/bin/pip:
	@for python in $${PYTHON:-python3 python3.13 python3.12 python3.11}; do \
	  if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Making .venv with $$("$$python" --version) ..."; \
	    rm -rf .venv && "$$python" -m venv .venv && exit 0; \
	  fi; \
	done; \
	echo "Carrel needs Python 3.11 or newer with its venv module, and found none. Install it" \
	  "(on Debian and Ubuntu: apt install python3 python3-venv) and run make again." >&2; \
	exit 1
