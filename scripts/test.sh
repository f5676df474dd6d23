#!/usr/bin/env bash
# Installs what the tests need (saying so) and runs them all.
set -euo pipefail
cd "$(dirname "$0")/.."

# package:command that it brings
needed=(
  apache2-utils:htpasswd
  busybox-static:busybox
  docker-registry:docker-registry
  mmdebstrap:mmdebstrap
  openssl:openssl
  runc:runc
  skopeo:skopeo
  strace:strace
  uidmap:newuidmap
  umoci:umoci
  xz-utils:xz
  zstd:zstd
)

missing=()
for pair in "${needed[@]}"; do
  PATH="$PATH:/usr/sbin:/sbin" command -v "${pair#*:}" >/dev/null || missing+=("${pair%%:*}")
done
if ((${#missing[@]})); then
  echo "the tests need these packages, which are not installed: ${missing[*]}"
  if [[ $(id -u) == 0 ]]; then
    as_root=()
  elif sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
  else
    echo "error: installing them needs root" >&2
    echo "hint: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  echo "installing them: apt-get install ${missing[*]}"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends -y "${missing[@]}" >/dev/null
fi

exec cargo test --workspace --no-fail-fast "$@"
