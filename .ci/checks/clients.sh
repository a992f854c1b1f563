#!/usr/bin/env bash
# Drives a running local cloud with the clients that people use, one check each in clients/: the AWS CLI, boto3, PyIceberg.
#
#   .ci/checks/clients.sh DIR      DIR holds the `pageviews` binary and the functions' binaries
#
# Then rehearses the documents that say what to type. Runs in the repository's root.
set -euo pipefail
bin="$1"
here="$(cd "$(dirname "$0")" && pwd)"
work="$(mktemp -d)"
cleanup() {
  [ -n "${cloud:-}" ] && kill "$cloud" 2>/dev/null && wait "$cloud" 2>/dev/null
  rm -rf "$work"
}
trap cleanup EXIT

export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_DEFAULT_REGION=us-east-1 AWS_REGION=us-east-1
export AWS_EC2_METADATA_DISABLED=true AWS_PAGER=""

# start_cloud NAME: an empty local cloud with a data directory of its own, in the place of the one before.
start_cloud() {
  local port
  if [ -n "${cloud:-}" ]; then
    kill "$cloud"
    wait "$cloud" || true
  fi
  port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
  export AWS_ENDPOINT_URL="http://127.0.0.1:$port"
  "$bin/pageviews" up --listen "127.0.0.1:$port" --data-dir "$work/$1" >"$work/up.log" 2>&1 &
  cloud=$!
  for _ in $(seq 100); do
    python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null && return
    kill -0 "$cloud" 2>/dev/null || break
    sleep 0.1
  done
  cat "$work/up.log"
  exit 1
}

start_cloud data
"$bin/pageviews" generate --out "$work/raw" --days 3 --views 3000 --customers 100 --seed 7
"$bin/pageviews" load "$work/raw" --endpoint "$AWS_ENDPOINT_URL"
"$bin/pageviews" run --endpoint "$AWS_ENDPOINT_URL"

status=0
for check in "$here"/clients/*; do
  echo "-- $(basename "$check")"
  case "$check" in
  *.py) python3 "$check" || status=1 ;;
  *.sh) bash "$check" || status=1 ;;
  esac
done

# What the documents tell people to type, from an empty cloud on.
start_cloud rehearsal
PATH="$bin:$PATH" python3 "$here/rehearse.py" docs/deploy.md docs/operations.md || status=1

[ "$status" -eq 0 ] || { echo "-- the local cloud's log"; tail -50 "$work/up.log"; }
exit "$status"
