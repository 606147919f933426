#!/usr/bin/env bash
# Runs a command with CANN's environment. The CANN images write it to .bashrc, which only an interactive shell reads,
# and `docker run image python …` is none. Where the image holds no CANN, the command runs as it is.
set -eo pipefail  # not -u: CANN's scripts read variables that may be unset

ascend=/usr/local/Ascend

load() {  # Inside a function the sourced script sees the function's arguments, never those of the command to run.
  local script=$1
  shift
  # shellcheck source=/dev/null
  if [[ -f $script ]]; then source "$script" "$@" >/dev/null; fi
}

if [[ -d $ascend ]]; then
  set +e  # CANN's scripts test for things that are not there
  load "$ascend/ascend-toolkit/set_env.sh"
  load "$ascend/cann/set_env.sh"  # its name since CANN 8.5
  for script in "$ascend"/cann-*/share/info/ascendnpu-ir/bin/set_env.sh; do load "$script"; done
  # Without the option the script starts Python and imports torch to find it out. torch has the new ABI since 2.7.
  load "$ascend/nnal/atb/set_env.sh" --cxx_abi=1
  set -e
  # The driver is mounted when the container starts; not every CANN image looks for it. Empty parts, which the CANN
  # images have, mean the working directory: a library in a deliverable would replace the driver's.
  driver=$ascend/driver/lib64
  libraries=${LD_LIBRARY_PATH:-}:$driver:$driver/common:$driver/driver
  while [[ $libraries == *::* ]]; do libraries=${libraries//::/:}; done
  export LD_LIBRARY_PATH=${libraries#:}
fi

if [[ -f /etc/npu-deliver/ca-bundle.crt ]]; then  # requests and Python's ssl do not ask the system
  export SSL_CERT_FILE=/etc/npu-deliver/ca-bundle.crt REQUESTS_CA_BUNDLE=/etc/npu-deliver/ca-bundle.crt
fi

exec "$@"
