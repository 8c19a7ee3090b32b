# make demo: everything from nothing to a searched library of 28 free tracks.
# make test: everything from nothing to passed tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CACHE := $(or $(GLISSANDO_CACHE),$(HOME)/.cache/glissando)
PEERS := $(CACHE)/benchmarks/peers

.PHONY: help demo test lint docs bench bench-parity bench-tempo bench-index bench-tags bench-search bench-contour bench-faults bench-features bench-pitch bench-key bench-music bench-probes bench-forgetting bench-training bench-chords bench-codec bench-algebra bench-generation bench-bottlenecks bench-diverse peer-musicnn peer-basic-pitch peer-crema peer-tempocnn lock browser soundfont soundfonts clean

help:
	@echo "make demo   set up and run the demo       make bench   measure everything (hours)"
	@echo "make test   set up and run the tests      make docs    build the docs site into site/"
	@echo "make lint   style, types, docstrings      make lock    resolve lock.txt anew"

demo: $(VENV)/.core
	$(BIN)/gliss demo --out demo-out

test: $(VENV)/.dev browser soundfont
	for model in musicnn-msd musicnn-mtt musicnn-msd-vgg musicnn-mtt-vgg aisfx; do $(BIN)/gliss models get $$model || exit 1; done
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/.dev
	$(BIN)/python -m pytest -q tests/test_rooms.py

docs: $(VENV)/.dev
	$(BIN)/mkdocs build --strict --quiet

bench: bench-parity bench-index bench-search bench-contour bench-faults

bench-parity: $(VENV)/.dev
	cd benchmarks && ../$(BIN)/python parity.py

# These take QUICK=--quick for a look in about a minute, which writes nothing.
bench-index: $(VENV)/.dev
	cd benchmarks && ../$(BIN)/python forms.py $(QUICK) && ../$(BIN)/python index.py $(QUICK)

bench-search: $(VENV)/.dev
	cd benchmarks && ../$(BIN)/python search.py $(QUICK)

bench-contour: $(VENV)/.dev
	cd benchmarks && ../$(BIN)/python contour.py $(QUICK)

bench-faults: $(VENV)/.dev
	cd benchmarks && ../$(BIN)/python faults.py $(QUICK)

bench-features: $(VENV)/.dev
	cd benchmarks && ../$(BIN)/python features.py $(QUICK)

# Data sets that are played here (tempo-renders, pop909-renders, chorales) want: make soundfonts
# Two hours and a half: 10 trainings a set. MAPS from its publishers: make bench-pitch MAPS=DIR
bench-pitch: $(VENV)/.dev
	$(BIN)/gliss data build chorales
	[ -z "$(MAPS)" ] || $(BIN)/gliss data build maps --from "$(MAPS)"
	cd benchmarks && ../$(BIN)/python pitch.py $(QUICK)

# Ten minutes of a core, after: gliss data build pop909-renders --from DIR. The same archive or folder again: make bench-key POP909=DIR
bench-key: $(VENV)/.dev
	cd benchmarks && ../$(BIN)/python key.py --labels "$(POP909)" $(QUICK)

# A quarter of an hour, after: gliss data build tempo-renders --from DIR, gliss data build game-music
bench-music: $(VENV)/.dev
	cd benchmarks && ../$(BIN)/python music.py $(QUICK)

# About an hour and a half of a core for all encoders that are here; sets that are not built are left out: gliss data build esc10 --from DIR
bench-probes: $(VENV)/.dev
	cd benchmarks && ../$(BIN)/python probes.py $(QUICK)

# About half an hour of a core: four trainings. After: gliss data build tempo-renders --from DIR
bench-forgetting: $(VENV)/.dev
	cd benchmarks && ../$(BIN)/python forgetting.py $(QUICK)

# Two hours and a half of a core: 54 trainings. After gliss data build of esc10, urbansound8k, instruments, instrument-mixtures
bench-tags: $(VENV)/.dev
	cd benchmarks && ../$(BIN)/python tags.py $(QUICK)

# After: gliss data build tempo-renders --from DIR. Half an hour of a core for the trainings.
bench-chords: $(VENV)/.dev
	cd benchmarks && ../$(BIN)/python chords.py $(QUICK)

# After: gliss data build of soundfont-notes, guitar-notes, tempo-renders, game-music. A run that is not shipped: make bench-codec RUN=DIR
bench-codec: $(VENV)/.dev
	cd benchmarks && ../$(BIN)/python codec.py $(if $(RUN),--run "$(abspath $(RUN))") $(QUICK)

# Half an hour of a core, after: gliss data build of soundfont-notes, guitar-notes, esc10, game-music. A talk's dry and wet sounds: make bench-algebra EFFECTS=DIR
bench-algebra: $(VENV)/.dev
	$(BIN)/pip install -q --disable-pip-version-check -c lock.txt -e '.[effects]'
	cd benchmarks && ../$(BIN)/python algebra.py $(if $(EFFECTS),--effects "$(abspath $(EFFECTS))") $(QUICK)

# After trainings of generate/tokens, generate/flow, generate/diffusion, generate/gan and, for the speed of flattened codes, generate/tokens-book: make bench-generation TOKENS=DIR FLOW=DIR DIFFUSION=DIR GAN=DIR FLATTENED=DIR, or some of them
bench-generation: $(VENV)/.dev
	cd benchmarks && ../$(BIN)/python generation.py $(if $(TOKENS),--tokens "$(abspath $(TOKENS))") $(if $(FLOW),--flow "$(abspath $(FLOW))") $(if $(DIFFUSION),--diffusion "$(abspath $(DIFFUSION))") $(if $(GAN),--gan "$(abspath $(GAN))") $(if $(FLATTENED),--flattened "$(abspath $(FLATTENED))") $(QUICK)

# After trainings of codec/gliss-codec, codec/vae ...: make bench-bottlenecks RUNS="none=DIR gaussian=DIR"
bench-bottlenecks: $(VENV)/.dev
	cd benchmarks && ../$(BIN)/python bottlenecks.py $(RUNS) $(QUICK)

# Hours of one core if all is to be trained; resumes, cell by cell. With MADE=--made: what the cells that are there tell.
bench-diverse: $(VENV)/.dev
	cd benchmarks && ../$(BIN)/python diverse.py $(MADE) $(QUICK)

bench-training: $(VENV)/.dev
	cd benchmarks && ../$(BIN)/python training.py $(QUICK)

# basic-pitch with the ONNX weights of its wheel; without TensorFlow, which it asks for and does not need for them.
peer-basic-pitch:
	$(PYTHON) -m venv $(PEERS)/basic-pitch
	$(PEERS)/basic-pitch/bin/pip install -q --no-deps basic-pitch==0.4.0
	$(PEERS)/basic-pitch/bin/pip install -q -r benchmarks/peers/basic_pitch/requirements.txt

# crema with the weights of its wheel; without its pins, some of which no Python of today has.
peer-crema:
	$(PYTHON) -m venv $(PEERS)/crema
	$(PEERS)/crema/bin/pip install -q -r benchmarks/peers/crema/requirements.txt

# Golden numbers of the original musiCNN, from its own environment (TensorFlow).
peer-musicnn: $(VENV)/.dev
	$(PYTHON) -m venv $(PEERS)/musicnn
	$(PEERS)/musicnn/bin/pip install -q -r benchmarks/peers/musicnn/requirements.txt
	$(PEERS)/musicnn/bin/pip install -q --no-deps musicnn==0.1.0
	cd benchmarks && ../$(BIN)/python parity.py --inputs $(PEERS)/inputs
	$(PEERS)/musicnn/bin/python benchmarks/peers/musicnn/run.py tests/golden/musicnn.npz $(PEERS)/inputs/*

# tempocnn's own environment.
$(PEERS)/tempocnn/.made:
	$(PYTHON) -m venv $(PEERS)/tempocnn
	$(PEERS)/tempocnn/bin/pip install -q -r benchmarks/peers/tempocnn/requirements.txt
	touch $@

# Tempo labels of the data set game-music: of recordings that have none yet. After: gliss data build game-music.
peer-tempocnn: $(VENV)/.dev $(PEERS)/tempocnn/.made
	cd benchmarks && ../$(BIN)/python game_tempo.py --clips
	$(PEERS)/tempocnn/bin/python benchmarks/peers/tempocnn/run.py $(PEERS)/game-tempo.json $(CACHE)/benchmarks/game-tempo/*.wav
	cd benchmarks && ../$(BIN)/python game_tempo.py --labels $(PEERS)/game-tempo.json

# An hour of two cores. From POP909 and ASAP as their publishers have them: make bench-tempo POP909=DIR ASAP=DIR INSTRUMENTS=DIR
bench-tempo: $(VENV)/.dev $(PEERS)/tempocnn/.made soundfonts
	$(BIN)/gliss data build game-music
	[ -z "$(POP909)" ] || $(BIN)/gliss data build tempo-renders --from "$(POP909)"
	[ -z "$(ASAP)" ] || $(BIN)/gliss data build asap --from "$(ASAP)"
	[ -z "$(INSTRUMENTS)" ] || $(BIN)/gliss data build instruments --from "$(INSTRUMENTS)"
	cd benchmarks && ../$(BIN)/python tempo.py --workers 2 --tempocnn $(PEERS)/tempocnn/bin/python $(QUICK)

lock:
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/pip install -q torch==2.13.0
	$(VENV)-lock/bin/pip install -q -e '.[dev,mule,mert,clap,codecs]'
	$(VENV)-lock/bin/pip freeze --exclude-editable | sed 's/+cpu$$//' > lock.txt
	rm -rf $(VENV)-lock

# The page is tested in Debian's Chromium; where it can't be installed, that one test is skipped by name.
browser:
	@command -v chromium chromedriver >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && apt-get install -y -qq chromium chromium-driver >/dev/null; } \
	  || echo "No chromium here: the test of the page in a browser will be skipped."

# What the recipes that learn from renderings are played by; 120 MB.
soundfonts:
	@ls /usr/share/sounds/sf3/MuseScore_General_Full.sf3 /usr/share/sounds/sf2/FluidR3_GM.sf2 /usr/share/sounds/sf2/TimGM6mb.sf2 >/dev/null 2>&1 \
	  || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq fluidsynth fluid-soundfont-gm musescore-general-soundfont timgm6mb-soundfont >/dev/null; } \
	  || echo "Not all soundfonts are here: renderings will lack some (packages fluid-soundfont-gm, musescore-general-soundfont, timgm6mb-soundfont)."

# Scores are played by FluidSynth; where it can't be installed, those tests are skipped by name.
soundfont:
	@command -v fluidsynth >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && apt-get install -y -qq fluidsynth timgm6mb-soundfont >/dev/null; } \
	  || echo "No FluidSynth here: tests that play scores will be skipped."

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name it with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV) || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq python3-venv && $(PYTHON) -m venv $(VENV); }

$(VENV)/.core: $(VENV)/bin/python pyproject.toml lock.txt
	$(BIN)/pip install -q --disable-pip-version-check -c lock.txt -e '.[formats,maps]'
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml lock.txt
	$(BIN)/pip install -q --disable-pip-version-check -c lock.txt -e '.[dev,mule,mert,clap,codecs]'
	@touch $@ $(VENV)/.core

clean:
	rm -rf $(VENV) demo-out site
