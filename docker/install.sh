#!/usr/bin/env bash
# Installs Python packages while the image is built: install.sh stack, then install.sh model.
set -euo pipefail

lists=/opt/npu-deliver
ascend=/usr/local/Ascend
venv=/opt/venv
model=/opt/model

die() { echo "install: $*" >&2; exit 1; }
say() { echo "install: $*" >&2; }

if [[ -f /etc/npu-deliver/ca-bundle.crt ]]; then
  export PIP_CERT=/etc/npu-deliver/ca-bundle.crt SSL_CERT_FILE=/etc/npu-deliver/ca-bundle.crt
fi

answers() {  # whether an index answers for torch within 15 seconds; pip itself would retry for minutes
  "$venv/bin/python" - "$1" <<'PYTHON'
import sys, urllib.request
try:
    urllib.request.urlopen(sys.argv[1].rstrip("/") + "/torch/", timeout=15).close()
except (OSError, ValueError) as error:
    sys.exit(f"install: {error}")
PYTHON
}

where=()
choose_where() {
  if [[ -n ${WHEELHOUSE:-} ]]; then
    unset PIP_FIND_LINKS  # of the base image: only the wheelhouse is asked
    where=(--no-index --find-links /opt/wheelhouse)
    say "packages come from the wheelhouse alone"
  elif [[ -n ${TORCH_INDEX:-} && $1 == stack ]]; then
    if answers "$TORCH_INDEX"; then
      where=(--extra-index-url "$TORCH_INDEX")
    else
      say "the index TORCH_INDEX does not answer: torch comes from the ordinary index, on x86_64 with CUDA"
    fi
  fi
}

pip_install() {
  "$venv/bin/python" -m pip install --no-cache-dir --disable-pip-version-check --no-input \
    --root-user-action ignore "${where[@]}" "$@"
}

has_packages() { grep -qE '^[[:space:]]*[^#[:space:]]' "$1"; }

install_stack() {
  local found
  found=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])') || die "the base image has no python3"
  [[ $found == "$PYTHON_VERSION" ]] || die "the base image has Python $found, the stack is for $PYTHON_VERSION"
  if [[ $DEVICE == npu && ! -f $ascend/ascend-toolkit/set_env.sh && ! -f $ascend/cann/set_env.sh ]]; then
    die "the base image holds no CANN (no set_env.sh below $ascend)"
  fi
  python3 -m venv "$venv"
  choose_where stack
  if has_packages "$lists/stack.txt"; then pip_install -r "$lists/stack.txt"; fi
  if has_packages "$lists/stack-no-deps.txt"; then pip_install --no-deps -r "$lists/stack-no-deps.txt"; fi
  # What the model brings is found beside the stack.
  mkdir -p "$model/bin"
  "$venv/bin/python" - "$model" <<'PYTHON'
import sys, sysconfig
with open(sysconfig.get_path("purelib") + "/npu_deliver_model.pth", "w") as stream:
    print(sysconfig.get_path("purelib", vars={"base": sys.argv[1]}), file=stream)
PYTHON
}

install_model() {
  # Everything of the stack is a constraint: a model adds to the platform, it does not change it.
  "$venv/bin/python" -m pip freeze --all >"$lists/constraints.txt"
  choose_where model
  has_packages "$lists/requirements.txt" || { say "the model requires nothing"; return 0; }
  pip_install --prefix "$model" -c "$lists/constraints.txt" -r "$lists/requirements.txt"
}

case "${1:-}" in
  stack) install_stack ;;
  model) install_model ;;
  *) die "usage: install.sh stack|model" ;;
esac
