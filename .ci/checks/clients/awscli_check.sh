#!/usr/bin/env bash
# Drives a running local cloud with the AWS CLI, as a person at a terminal would. Wants AWS_ENDPOINT_URL.
set -euo pipefail
export AWS_PAGER="" AWS_DEFAULT_OUTPUT=json
work="$(mktemp -d)"
bucket="awscli-check-$RANDOM$RANDOM"
trap 'rm -rf "$work"' EXIT

fail() {
  echo "awscli: $1" >&2
  exit 1
}
# equal WHAT EXPECTED FOUND
equal() { [ "$2" = "$3" ] || fail "$1: expected '$2', found '$3'"; }
# refused ERROR COMMAND …: the command fails and says so
refused() {
  local error="$1" said
  shift
  if said="$("$@" 2>&1)"; then fail "$* succeeded, expected $error"; fi
  [[ "$said" == *"$error"* ]] || fail "$*: expected $error, found: $said"
}

equal "the account" 000000000000 "$(aws sts get-caller-identity --query Account --output text)"

# Buckets and small files.
aws s3 mb "s3://$bucket" >/dev/null
printf 'hello\n' >"$work/hello.txt"
aws s3 cp --quiet "$work/hello.txt" "s3://$bucket/a/hello.txt"
equal "cp back" hello "$(aws s3 cp "s3://$bucket/a/hello.txt" -)"
printf 'from a pipe' | aws s3 cp --quiet - "s3://$bucket/a/pipe.txt"
equal "cp from a pipe" "from a pipe" "$(aws s3 cp "s3://$bucket/a/pipe.txt" -)"
equal "the content type" text/plain \
  "$(aws s3api head-object --bucket "$bucket" --key a/hello.txt --query ContentType --output text)"
equal "ls" "hello.txt pipe.txt" "$(aws s3 ls "s3://$bucket/a/" | awk '{print $4}' | xargs)"
equal "ls of folders" "PRE a/" "$(aws s3 ls "s3://$bucket" | xargs)"
equal "a range" ell "$(aws s3api get-object --bucket "$bucket" --key a/hello.txt --range bytes=1-3 "$work/range" \
  >/dev/null && cat "$work/range")"
refused PreconditionFailed \
  aws s3api put-object --bucket "$bucket" --key a/hello.txt --body "$work/hello.txt" --if-none-match '*'
refused 404 aws s3api head-object --bucket "$bucket" --key nothing
refused NotImplemented aws s3api get-object-tagging --bucket "$bucket" --key a/hello.txt

# A file of several parts, there and back, and copied on the server.
head -c 20000000 /dev/urandom >"$work/large"
aws s3 cp --quiet "$work/large" "s3://$bucket/large"
aws s3 cp --quiet "s3://$bucket/large" "$work/large.back"
cmp "$work/large" "$work/large.back" || fail "a large file came back changed"
aws s3 mv --quiet "s3://$bucket/large" "s3://$bucket/moved"
equal "mv" 20000000 "$(aws s3api head-object --bucket "$bucket" --key moved --query ContentLength --output text)"
refused 404 aws s3api head-object --bucket "$bucket" --key large

# Folders.
mkdir -p "$work/folder/country=USA" "$work/folder/country=größe 1"
for number in 1 2 3; do
  printf '%s\n' "$number" >"$work/folder/country=USA/$number.csv"
  printf '%s\n' "$number" >"$work/folder/country=größe 1/$number+.csv"
done
aws s3 sync --quiet "$work/folder" "s3://$bucket/folder"
equal "sync again" "" "$(aws s3 sync "$work/folder" "s3://$bucket/folder")"
aws s3 sync --quiet "s3://$bucket/folder" "$work/folder.back"
diff -r "$work/folder" "$work/folder.back" || fail "a folder came back changed"
rm "$work/folder/country=USA/3.csv"
aws s3 sync --quiet --delete "$work/folder" "s3://$bucket/folder"
equal "sync --delete" 5 "$(aws s3 ls --recursive "s3://$bucket/folder/" | wc -l | xargs)"
aws s3 rm --quiet --recursive "s3://$bucket/folder"
equal "rm --recursive" "" "$(aws s3 ls --recursive "s3://$bucket/folder/" || true)"

# A query.
query() {
  local id state
  id="$(aws athena start-query-execution --query-string "$1" --query QueryExecutionId --output text \
    --result-configuration "OutputLocation=s3://$bucket/results/")"
  for _ in $(seq 200); do
    state="$(aws athena get-query-execution --query-execution-id "$id" --query QueryExecution.Status.State --output text)"
    case "$state" in QUEUED | RUNNING) ;; *) break ;; esac
  done
  equal "$1" SUCCEEDED "$state"
  aws athena get-query-results --query-execution-id "$id" \
    --query 'ResultSet.Rows[].Data[].VarCharValue' --output text | xargs
}
equal "a query" "x y 1 a" "$(query "SELECT 1 AS x, 'a' AS y")"
refused "mismatched input" aws athena start-query-execution --query-string "SELEC 1" \
  --result-configuration "OutputLocation=s3://$bucket/results/"
refused "No output location provided" aws athena start-query-execution --query-string "SELECT 1"

# What the pipeline deployed and ran.
tables="$(aws glue get-tables --database-name appdb --query 'TableList[].Name' --output text | xargs)"
[[ " $tables " == *" pageviews_daily "* ]] || fail "appdb has no table pageviews_daily: $tables"
machine="$(aws stepfunctions list-state-machines --query 'stateMachines[0].stateMachineArn' --output text)"
[[ "$machine" == arn:aws:states:* ]] || fail "no state machine: $machine"
equal "the last execution" SUCCEEDED "$(aws stepfunctions list-executions --state-machine-arn "$machine" \
  --query 'executions[0].status' --output text)"
[ -n "$(aws lambda list-functions --query 'Functions[].FunctionName' --output text)" ] || fail "no functions"
refused UnknownOperationException aws glue get-crawlers

aws s3 rb --force "s3://$bucket" >/dev/null
refused 404 aws s3api head-bucket --bucket "$bucket"
echo "awscli: all as on AWS"
