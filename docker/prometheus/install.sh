#!/usr/bin/env bash
# Puts Debian's prometheus and promtool into var/tools, unless there are some on PATH. Needs no root, and starts nothing.
# It must be a version 2: version 3 leaves a window's first instant out, and the figures that tests expect are others.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tools=$PWD/var/tools

major_version() { "$1" --version 2>&1 | sed -n 's/.*version \([0-9]*\)\..*/\1/p' | head -1; }
if [ "$(major_version promtool)" = 2 ] && [ "$(major_version prometheus)" = 2 ]; then exit 0; fi
if [ -x "$tools/usr/bin/promtool" ]; then exit 0; fi
if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
  echo "There is no apt-get here: put prometheus and promtool, version 2, on PATH. Only tests/alerts needs them." >&2
  exit 0
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"  # apt reads and writes as a user of its own if it is root
cd "$folder"
echo "Fetching Debian's prometheus, once, into var/tools"
if ! apt-get download --quiet=2 prometheus 2>/dev/null; then
  # No package lists, or old ones: fetch some of our own, which anybody may.
  mkdir --parents state/lists/partial cache/archives/partial
  apt=(apt-get --quiet=2 -o "Dir::State=$folder/state" -o "Dir::State::status=/var/lib/dpkg/status" -o "Dir::Cache=$folder/cache")
  "${apt[@]}" update
  "${apt[@]}" download prometheus
fi
mkdir --parents "$tools"
dpkg --extract prometheus_*.deb "$tools"
