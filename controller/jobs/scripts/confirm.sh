# Undoing a change unless it is confirmed: this waits beside the steps of its job, and whoever first makes the folder `decision` decides.
#
# After this text stands one `guard` line. What undoes the change comes on standard input. `decision=` and `revert=` go
# to the outputs of the step: how it was decided, and the exit code of what undid it.

J=${CTL_ARTIFACTS%/artifacts}
base=${J%/jobs/*}
# An agent keeps its own things in a folder of its own, and says there where everybody meets.
if [ -d "$base/base/." ]; then
  base=$(cd -P "$base/base" && pwd -P) && J=$base/jobs/$CTL_JOB && ( umask 077; mkdir -p "$J" ) || exit 1
fi
own=${CTL_MARK#:}
own=${own%:}

say() { printf '%s\n' "$1"; }
seconds_up() { read -r up rest </proc/uptime; up=${up%%.*}; }

# SECONDS USER WORKDIR SHELL...
guard() {
  within=$1 user=$2 workdir=$3
  shift 3
  [ "$user" != "$LOGNAME" ] || user=
  ( umask 077; cat >"$J/revert" ) || { say "cannot keep what would undo the change: no room in $J"; exit 1; }
  why=
  trap 'why="it was stopped"' HUP INT TERM
  say "waiting to be confirmed, $within s after the last step at most"
  await
  if ! mkdir "$J/decision" 2>/dev/null && [ -d "$J/decision" ]; then
    printf 'decision=confirmed\n' >>"$CTL_OUTPUT"
    say "confirmed"
    exit 0
  fi
  trap '' HUP INT TERM
  undo "$@"
}

await() {
  seconds_up
  since=$up
  while [ ! "$why" ] && [ ! -d "$J/decision" ]; do
    seconds_up
    if [ -e "$J/undo" ]; then why="a step did not end well"
    elif others_run; then since=$up
    elif [ $((up - since)) -ge "$within" ]; then why="nobody confirmed it within $within s"
    fi
    [ "$why" ] || nap
  done
}
nap() { sleep 0.5 2>/dev/null || sleep 1; }

# Is another attempt of this job running here?
others_run() {
  for A in "$base/attempts/$CTL_JOB."*; do
    [ "${A##*/}" != "$own" ] && [ -f "$A/claim" ] || continue
    line=
    { read -r line <"$A/exit"; } 2>/dev/null
    case $line in *" .") continue ;; esac
    { read -r pid born <"$A/pid"; } 2>/dev/null || continue
    ! alive || return 0
  done
  return 1
}

# `pid` lives and began at `born`: field 22 of its stat.
alive() {
  { read -r line <"/proc/$pid/stat"; } 2>/dev/null || return 1
  set -- ${line##*)}
  case $1 in Z|X) return 1 ;; esac
  shift 19
  [ "$1" = "$born" ]
}

# SHELL...: run what undoes the change, as the user of the steps.
undo() {
  printf 'decision=reverted\n' >>"$CTL_OUTPUT"
  say "undoing the change: $why"
  ( as_wanted "$@" ) </dev/null
  code=$?
  printf 'revert=%s\n' "$code" >>"$CTL_OUTPUT"
  if [ $code = 0 ]; then say "the change is undone"; else say "undoing the change failed with code $code"; fi
  exit 1
}

as_wanted() {
  trap - HUP INT TERM
  CTL_OUTPUT=/dev/null
  [ ! "$user" ] || become || { say "cannot become $user: no such user here"; exit 126; }
  case $workdir in /*) ;; '') workdir=$HOME ;; *) workdir=$HOME/$workdir ;; esac
  if [ ! "$user" ]; then
    cd "$workdir" || exit 126
    exec "$@" "$J/revert"
  fi
  set -- sh -c 'cd "$0" || exit 126; exec "$@"' "$workdir" "$@" "$J/revert"
  if command -v setpriv >/dev/null; then
    exec setpriv --reuid "$to_uid" --regid "$to_gid" --init-groups "$@"
  fi
  exec su -s /bin/sh -c 'exec "$0" "$@"' -- "$user" "$@"
}

# The user must reach what it is to run, and nobody else.
become() {
  entry=$(getent passwd "$user" || grep "^$user:" /etc/passwd) || return 1
  set -f
  IFS=:
  set -- $entry
  unset IFS
  set +f
  to_uid=$3 to_gid=$4 HOME=$6 SHELL=${7:-/bin/sh} USER=$user LOGNAME=$user
  export HOME SHELL USER LOGNAME
  chmod 711 "$base" "$base/jobs" "$J" && chown "$to_uid" "$J/revert"
} 2>/dev/null
