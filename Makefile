# npu-deliver: `make` alone prints this list.
#
#   MODEL=name         a folder below deliverables/, or timm:<name>, torchvision:<name>
#   DEVICE=auto        auto, cpu, cuda:0, npu:0 ...          INPUT=path     a photo or a folder of photos
#   WEIGHTS=...        a path, hf:..., modelscope:..., https:..., pypi:..., random
#   REPORT_LANG=zh     zh or en      TIER=standard     smoke, standard or publish      FRESH=1     run every step anew
#   DIR=folder         for verify: any deliverable's folder (default: that of MODEL)

.DEFAULT_GOAL := help
.PHONY: help setup deliverables plan report verify models test lint clean
MAKEFLAGS += --no-print-directory

PYTHON      ?= $(shell command -v python3.11 || command -v python3)
VENV        ?= .venv
REPORT_LANG ?= zh

npu-deliver := $(VENV)/bin/npu-deliver
folder       = deliverables/$(subst :,_,$(MODEL))/npu_deliverables
set_up       = $(PYTHON) scripts/set_up.py $(VENV)
# An option for each variable that was given; values stay in quotes, because paths may hold spaces.
flags        = $(if $(DEVICE),--device "$(DEVICE)") $(if $(WEIGHTS),--weights "$(WEIGHTS)") \
               $(if $(INPUT),--input "$(INPUT)") $(if $(TIER),--tier "$(TIER)")
given        = $(if $(MODEL),,$(error name a model: make $@ MODEL=efficientnet_lite0 (`make models` lists them)))

help:           ## Print the targets and the variables
	@sed -nE 's/^([a-z]+): .*## (.*)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'; sed -nE '2,8s/^# ?//p' Makefile

setup:          ## Make the Python environment (.venv); the other targets do it by themselves
	@$(set_up) runtime,timm

deliverables: setup  ## Make and verify the whole deliverable: make deliverables MODEL=efficientnet_lite0
	$(given)@$(npu-deliver) deliver "$(MODEL)" $(flags) --lang "$(REPORT_LANG)" $(if $(FRESH),--fresh)

plan: setup     ## Print what would be run: make plan MODEL=...
	$(given)@$(npu-deliver) plan "$(MODEL)" $(flags)

report: setup   ## Render the report anew, without hardware: make report MODEL=... REPORT_LANG=en
	$(given)@$(npu-deliver) report "$(MODEL)" --lang "$(REPORT_LANG)"

verify: setup   ## Recompute everything in a deliverable: make verify MODEL=... or DIR=...
	$(if $(DIR),,$(given))@$(npu-deliver) verify "$(or $(DIR),$(folder))"

models: setup   ## List the models
	@$(npu-deliver) models

test:           ## Run every test; does its own set-up
	@$(set_up) runtime,timm,dev && $(VENV)/bin/python -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

lint:           ## Check style and types
	@$(set_up) runtime,timm,dev && $(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/mypy

clean:          ## Remove the environment and the caches; deliverables stay
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
