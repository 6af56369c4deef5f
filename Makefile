# Every target sets itself up, and says in plain words what is missing.
SHELL := bash
export PATH := $(PATH):$(HOME)/.cargo/bin
PYTHON := .venv/bin/python
DATA ?= demo-data
TARGET := x86_64-unknown-linux-gnu

.PHONY: help test s3-tests mlflow-tests onnx-tests zoo demo bench bench-s3 bench-serving bench-explain bench-tracking bench-pipelines lint release clean

help:
	@echo "make test            everything: formatting, cargo test, the client tests against the real binary"
	@echo "make s3-tests        ceph/s3-tests against the S3 door; S3_TESTS=/path/to/it, K=EXPRESSION for some of them"
	@echo "make mlflow-tests    MLflow's own REST tests; MLFLOW=/path/to/its/repository, K=EXPRESSION, PEER=1 for MLflow's server"
	@echo "make onnx-tests      ONNX's own node tests against the inference engine; V=-v for each that does not pass"
	@echo "make zoo             every model of the zoo through one endpoint, PyTorch's large ones too, which it makes"
	@echo "make demo            builds Crannog and plays the life of a model; ONCE=1 stops the server at the end"
	@echo "make bench           start time, idle memory, binary size and simple rates"
	@echo "make bench-s3        the object store under load, beside the S3 servers installed here (s3s-fs, radosgw)"
	@echo "make bench-serving   inference in CPU time: one call beside onnxruntime, one request beside FastAPI, in the same run"
	@echo "make bench-explain   explanations of tree ensembles, CPU time, beside the shap package in the same run"
	@echo "make bench-tracking  the tracker beside mlflow server on SQLite, CPU by call"
	@echo "make bench-pipelines the scheduler; BENCH='--airflow /path/to/airflow' measures that beside it"
	@echo "make lint            rustfmt, clippy and the UI's types"
	@echo "make release         the static binary, in target/$(TARGET)/release"
	@echo "make clean           removes what the other targets made, the demo's data included"

test:
	@scripts/setup.sh tools
	cargo fmt --check
	cargo test
	@cargo build
	@scripts/setup.sh venv tests/clients/requirements.txt
	@scripts/setup.sh browser
	@scripts/setup.sh rclone
	@scripts/setup.sh dvc
	@scripts/setup.sh kserve
	CRANNOG_BIN=$(CURDIR)/target/debug/crannog $(PYTHON) -m pytest -c tests/clients/pytest.ini -n 2 --dist loadfile tests/clients $(PYTEST)

s3-tests:
	@python3 scripts/s3_tests.py --suite "$(S3_TESTS)" --check
	@scripts/setup.sh tools
	@cargo build
	@python3 scripts/s3_tests.py --suite "$(S3_TESTS)" -k "$(K)"

mlflow-tests:
	@python3 scripts/mlflow_tests.py --suite "$(MLFLOW)" --check
	@scripts/setup.sh tools
	@cargo build
	@python3 scripts/mlflow_tests.py --suite "$(MLFLOW)" -k "$(K)" $(if $(PEER),--peer)

onnx-tests:
	@scripts/setup.sh tools
	@scripts/setup.sh venv tests/clients/requirements.txt
	@cargo build --example engine-answers
	@$(PYTHON) scripts/onnx_node_tests.py target/debug/examples/engine-answers $(V)

# PyTorch gets an environment of its own: some gigabytes, which nothing else here needs. Unoptimized, ResNet18 takes a
# minute for 32 images.
zoo:
	@scripts/setup.sh tools
	@scripts/setup.sh venv tests/clients/requirements.txt
	cargo build --profile demo
	@test -x target/zoo/venv/bin/python || python3 -m venv target/zoo/venv
	@target/zoo/venv/bin/python -m pip install --quiet --disable-pip-version-check -r tests/fixtures/onnx/requirements-torch.txt
	@target/zoo/venv/bin/python tests/fixtures/onnx/torch_zoo.py target/zoo/models
	@target/zoo/venv/bin/python tests/fixtures/onnx/torch_zoo.py target/zoo/models --large
	CRANNOG_BIN=$(CURDIR)/target/demo/crannog MODEL_ZOO=tests/fixtures/onnx/zoo:target/zoo/models \
		$(PYTHON) -m pytest -c tests/clients/pytest.ini tests/clients/test_model_zoo.py $(PYTEST)

demo:
	@scripts/setup.sh tools
	@scripts/setup.sh venv examples/flight-delays/requirements.txt
	cargo build --profile demo
	@$(PYTHON) examples/flight-delays/demo.py target/demo/crannog $(DATA) $(if $(ONCE),--once) $(if $(SHARE),--share $(SHARE))

bench:
	@scripts/setup.sh tools
	@scripts/setup.sh venv examples/flight-delays/requirements.txt
	cargo build --profile demo
	@$(PYTHON) scripts/bench.py target/demo/crannog

# The load client is built with the server, so that both see the same features of their dependencies.
bench-s3:
	@scripts/setup.sh tools
	@scripts/setup.sh venv examples/flight-delays/requirements.txt
	cargo build --profile demo --bin crannog --example s3-load
	@$(PYTHON) scripts/bench_s3.py target/demo/examples/s3-load target/demo/crannog $(BENCH)

bench-serving:
	@scripts/setup.sh tools
	@scripts/setup.sh venv examples/flight-delays/requirements.txt
	cargo build --profile demo --bin crannog --example engine-time
	@$(PYTHON) scripts/bench_serving.py target/demo/examples/engine-time target/demo/crannog $(BENCH)

bench-explain:
	@scripts/setup.sh tools
	@scripts/setup.sh venv examples/flight-delays/requirements.txt
	@scripts/setup.sh venv benches/engine/requirements.txt
	cargo build --profile demo --example engine-time
	@$(PYTHON) scripts/bench_explain.py target/demo/examples/engine-time $(BENCH)

lint:
	@scripts/setup.sh tools
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cd web && npm ci --no-audit --no-fund && npx tsc --noEmit

bench-tracking:
	@scripts/setup.sh tools
	@scripts/setup.sh venv examples/flight-delays/requirements.txt
	cargo build --profile demo
	@$(PYTHON) scripts/bench_tracking.py target/demo/crannog $(PYTHON) $(BENCH)

bench-pipelines:
	@scripts/setup.sh tools
	cargo build --profile demo
	@python3 scripts/bench_pipelines.py target/demo/crannog $(BENCH)

# The target is named, or the flags would reach proc-macros and build scripts too.
release:
	@scripts/setup.sh tools
	RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --target $(TARGET)
	@ls -l target/$(TARGET)/release/crannog

clean:
	cargo clean
	rm -rf .venv demo-data demo-data.log web/node_modules web/dist
