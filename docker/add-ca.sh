#!/usr/bin/env bash
# Adds a certificate authority to what the system trusts: add-ca.sh FILE. An empty file changes nothing.
#
# It is appended to the bundle. update-ca-certificates would rebuild the bundle from the distribution's list, and so
# drop what the makers of the base image may have put there themselves.
set -euo pipefail

extra=$1
[[ -s $extra ]] || exit 0
grep -q 'BEGIN CERTIFICATE' "$extra" || { echo "add-ca: $extra holds no certificate in PEM form" >&2; exit 1; }

for bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do  # Debian and Ubuntu, openEuler
  [[ -f $bundle ]] && break
done
if [[ ! -f $bundle ]]; then
  bundle=/etc/ssl/certs/ca-certificates.crt
  mkdir -p "$(dirname "$bundle")"
fi
printf '\n' >>"$bundle"
cat "$extra" >>"$bundle"
mkdir -p /etc/npu-deliver
ln -s "$bundle" /etc/npu-deliver/ca-bundle.crt
