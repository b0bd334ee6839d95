# Who may have changed some paths, read only: what the server itself remembers around their times.
#
# After this text stands `evidence WORD PATH...`. Every part begins with a line "WORD NAME FACTS"; nobody here knows the word.

LC_ALL=C
export LC_ALL
BEFORE=600
AFTER=60

part() { printf '\n%s %s\n' "$word" "$*"; }
lacks() { part lacks "$1: $(printf '%s' "$2" | head -n 1 | head -c 200)"; }

evidence() {
  word=$1 number=0 times=
  shift
  part now "$(date +%s) $(date +%z) $(id -u)"
  TZ=UTC0
  export TZ
  for path in "$@"; do
    times_of "$path"
    number=$((number + 1))
  done
  times=$(printf '%s\n' $times | sort -un | tail -n 20)
  logins
  [ ! "$times" ] || commands
}

# When it was written, when anything of it was changed, whose it is; of the folder above it where it is gone.
times_of() {
  kind=path at=$1
  while [ "$at" ] && [ ! -e "$at" ] && [ ! -L "$at" ]; do
    kind=gone at=${at%/*}
  done
  facts=$(stat -c '%Y %Z %U' "${at:-/}" 2>&1) || { lacks stat "$facts"; return; }
  part "$kind" "$number $facts"
  set -- $facts
  times="$times $1 $2"
}

logins() {
  if ! command -v last >/dev/null; then
    lacks last "it is not there"
  elif said=$(last -F -w -n 300 2>&1); then
    part last
    printf '%s\n' "$said" | head -c 60000
  else
    lacks last "$said"
  fi
  if command -v who >/dev/null; then
    part who
    who 2>/dev/null | head -c 20000
  fi
}

commands() {
  if command -v journalctl >/dev/null; then
    part journal
    for time in $times; do
      journalctl -q --no-pager -o short-unix -n 50 _COMM=sudo \
        --since "@$((time - BEFORE))" --until "@$((time + AFTER))" 2>/dev/null | head -c 10000
    done
  else
    lacks journalctl "it is not there"
  fi
  for log in /var/log/auth.log /var/log/secure; do
    [ -e "$log" ] || continue
    if [ -r "$log" ]; then
      part auth
      tail -c 1000000 "$log" | grep -F 'sudo' | tail -n 300 | head -c 60000
    else
      lacks "$log" "it cannot be read"
    fi
  done
}
