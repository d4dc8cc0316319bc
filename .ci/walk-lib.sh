# What the walks with the AWS CLI share: sourced by them with the command that starts the gateway, the
# backend's URL and a port. Prints a line a check; the walk itself ends with `N passed, N failed`.
# shellcheck shell=bash
set -u
start=$1
backend=$2
port=${3:-14566}
admin=$((port + 1))
work=$(mktemp -d)
export AWS_ENDPOINT_URL="http://localhost:$port" AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
export AWS_DEFAULT_REGION=us-east-1 AWS_PAGER='' AWS_MAX_ATTEMPTS=3
passed=0
failed=0
pid=''

say() { printf '%s\n' "$*"; }
check() { # check NAME EXPECTED COMMAND...
  local name=$1 expected=$2 got
  shift 2
  got=$("$@" 2>&1)
  if [ "$got" = "$expected" ]; then
    passed=$((passed + 1))
    say "ok   $name"
  else
    failed=$((failed + 1))
    say "FAIL $name: expected '$expected', got '$got'"
  fi
}
ok() { # ok NAME COMMAND...
  local name=$1 got
  shift
  if got=$("$@" 2>&1); then
    passed=$((passed + 1))
    say "ok   $name"
  else
    failed=$((failed + 1))
    say "FAIL $name: $got"
  fi
}
text() { aws ecs "$@" --output text; }

begin() { # begin FLAGS...
  $start serve --api-port "$port" --admin-port "$admin" --data-dir "$work/data" --backend "$backend" \
    "$@" >>"$work/out" 2>>"$work/err" &
  pid=$!
  for _ in $(seq 1 300); do
    # Another one may answer on the port: ours has to live.
    kill -0 "$pid" 2>/dev/null || break
    curl -fsS -m 2 "http://localhost:$port/ready" >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  say "FAIL the gateway did not get ready"
  tail -n 20 "$work/err"
  failed=$((failed + 1))
}
end() {
  [ -z "$pid" ] || kill "$pid" 2>/dev/null
  [ -z "$pid" ] || wait "$pid" 2>/dev/null
  rm -rf "$work"
}
trap end EXIT
until_text() { # until_text SECONDS EXPECTED COMMAND...
  local seconds=$1 expected=$2 got=''
  shift 2
  for _ in $(seq 1 $((seconds * 5))); do
    got=$("$@" 2>&1)
    [ "$got" = "$expected" ] && return 0
    sleep 0.2
  done
  printf "%s\n" "after $seconds s: $got"
  return 1
}
waiter() { # waiter NAME ARGS...: the CLI's own waiter, which polls every 6 or 15 s
  timeout 120 aws ecs wait "$@"
}
