# Tillerman's runner: plain POSIX sh, sent on the standard input of `sh`, the same text over ssh and locally.
#
# It reads one request a line: assignments, quoted by the controller, and the name of one function below; "+N" says
# that the request is the N bytes that follow. It answers "@NONCE REQUEST key=value ...", after it `bytes` raw bytes
# where the line says so. "@NONCE ! ATTEMPT ..." is pushed when an attempt ends. Functions named do_* are requests;
# every variable they use in lower case comes with the request.
#
# attempts/ID/: claim (boot id, job, user), pid (of the pump, and its start time), pg (the command), why (who ends
# it: noclobber, the first one wins), code, slow (it lasted longer than its first watch), o.OFFSET (segments of
# output), held, holder, rested (see below), exit (the end: one line, valid when it ends in a dot), spare (room for these lines when the disk is full).
#
# The parts are joined before they are sent; this one holds what all of them use.

nap() { sleep "$1" 2>/dev/null || sleep 1; }

reply() { printf '@%s %s %s\n' "$N" "$r" "$1"; }

# Make the file $1 with the line $2; false when it is there already, or there is no room. This is what exactly one of
# many can do.
once() {
  full=
  set -C
  { printf '%s\n' "$2" || full=1; } 2>/dev/null >"$1"
  made=$?
  set +C
  if [ "$full" ]; then with_spare "$1" "$2" || { made=1; rm -f "$1"; }; fi
  return $made
} 2>/dev/null

# Write the line $2 to the file $1, in the room kept for it when there is no other.
put() { printf '%s\n' "$2" >|"$1" || with_spare "$1" "$2"; } 2>/dev/null
with_spare() { true >|"$A/spare"; printf '%s\n' "$2" >|"$1"; } 2>/dev/null

# One variable full of bytes without NUL, and its length.
slurp() { slurped=$(cat "$1" 2>/dev/null; echo .); slurped=${slurped%.}; }

# The same for a few bytes, without a process.
sip() {
  slurped=
  while IFS= read -r line; do slurped=$slurped$line$NL; done
  slurped=$slurped$line
} <"$1"

pad() { padded=000000000000000$1; padded=${padded#"${padded%???????????????}"}; }
unpad() { number=${1#"${1%%[!0]*}"}; number=${number:-0}; }

# The start time of a process that lives: field 22 of its stat; empty for a dead one or a zombie.
born() {
  started=
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  set -- ${line##*)}
  case $1 in Z|X) return 1 ;; esac
  shift 19
  started=$1
}

alive() { born "$1" && [ "$started" = "$2" ]; }

size_of() {
  if [ "$has_wc" ]; then counted=$(wc -c <"$1") && counted=$((counted)); return; fi
  counted=$(dd if="$1" of=/dev/null bs=1048576 2>&1) || return 1
  counted=${counted##*records out}
  set -- $counted
  counted=$1
}

# Write $2 to the file $1 so that it is there whole or not at all, also after a loss of power.
store() {
  printf '%s' "$2" >|"$1.new" && sync_file "$1.new" && mv -f "$1.new" "$1" && sync_file "${1%/*}"
}
sync_file() { [ -z "$has_sync" ] || sync "$1" 2>/dev/null || :; }
