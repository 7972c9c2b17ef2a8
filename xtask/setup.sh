#!/usr/bin/env bash
# Installs what is missing on a fresh Debian or Ubuntu, and nothing else. Usage: setup.sh build|test
#   build   what `make quickstart` needs: a C compiler, cmake, OpenSSL's and zlib's headers, Rust
#   test    also what the tests compare with: a JDK and Maven (the real Kafka), kcat, jq, PostgreSQL, Node
set -euo pipefail

RUST_MIN=1.95.0
BUILD="gcc:gcc g++:g++ make:make cmake:cmake perl:perl pkg-config:pkg-config curl:curl git:git \
  @libssl-dev @zlib1g-dev @libc6-dev @ca-certificates"
TEST="java:openjdk-17-jdk-headless|openjdk-21-jdk-headless|default-jdk-headless javac:openjdk-17-jdk-headless|openjdk-21-jdk-headless|default-jdk-headless \
  mvn:maven kcat:kcat jq:jq psql:postgresql node:nodejs openssl:openssl"

case "${1:-}" in
  build) wanted=$BUILD ;;
  test) wanted="$BUILD $TEST" ;;
  *) sed -n '2,4p' "$0"; exit 2 ;;
esac

# An entry is COMMAND:PACKAGE[|PACKAGE…] or, for what has no command, @PACKAGE.
missing=()
for entry in $wanted; do
  case $entry in
    @*) dpkg -s "${entry#@}" >/dev/null 2>&1 || missing+=("${entry#@}") ;;
    *) command -v "${entry%%:*}" >/dev/null 2>&1 || missing+=("${entry#*:}") ;;
  esac
done

if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || { echo "setup: please install: ${missing[*]} (only Debian and Ubuntu are done by itself)" >&2; exit 1; }
  root=; [ "$(id -u)" = 0 ] || root=sudo
  echo "setup: installing ${missing[*]}"
  $root apt-get update -qq
  chosen=()
  for entry in "${missing[@]}"; do
    for package in ${entry//|/ }; do
      if apt-cache policy "$package" 2>/dev/null | grep -q 'Candidate: [^(]'; then chosen+=("$package"); break; fi
    done
  done
  DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends "${chosen[@]}" >/dev/null
fi

. "$(dirname "$0")/env.sh"
rust_version() { rustc --version 2>/dev/null | awk '{print $2}'; }
if [ "$(printf '%s\n%s\n' "$RUST_MIN" "$(rust_version)" | sort -V | head -1)" != "$RUST_MIN" ]; then
  echo "setup: installing Rust (found: $(rust_version), needed: $RUST_MIN or newer)"
  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal -c clippy -c rustfmt
fi
