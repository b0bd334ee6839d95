# Stopping attempts, finding every process of theirs, and tidying up after them.

# id grace
do_stop() {
  A=$base/attempts/$id
  phase_of
  group=${cgroup:+$cgroup/$id}
  case $phase in
    running) sure=1 ;;
    interrupted) sure= ;; # its command may have outlived the supervisor
  esac
  case $phase in
    running|interrupted) ( stop_and_tell & ) ;;
    *) reply "phase=$phase" ;;
  esac
}

stop_and_tell() {
  exec 3>&1 >/dev/null 2>&1 </dev/null
  for pause in 0.02 0.05 0.1 0.2 0.5; do
    [ "$sure" ] && [ ! -s "$A/pg" ] && [ ! -f "$A/exit" ] || break
    nap $pause
  done
  end_tree stop
  for pause in 0.01 0.02 0.05 0.1 0.2 0.5 1 1; do
    [ "$sure" ] && [ ! -f "$A/exit" ] || break
    nap $pause
  done
  printf '@%s %s phase=stopped\n' "$N" "$r" >&3
}

# WHY: record who ends the attempt before the first signal, then TERM, grace, KILL.
end_tree() {
  once "$A/why" "$1"
  [ ! -f "$A/held" ] || let_go
  waited=0 signal=TERM
  while members; do
    [ $waited != 0 ] || kill -TERM $found 2>/dev/null
    [ "$waited" -lt "$((grace_tenths))" ] || break
    waited=$((waited + 1))
    nap 0.1
  done
  for pause in 0.02 0.05 0.1 0.2 0.3 0.5 0.5 0.5; do
    members || return 0
    [ -z "$group" ] || echo 1 >"$group/cgroup.kill"
    kill -KILL $found 2>/dev/null
    nap $pause
  done
  ! members || echo $found >"$A/incomplete"
} 2>/dev/null

# Every living process of the attempt, in `found`: its cgroup, else its session and whoever bears its mark. The leader
# is named apart: in its first moments it has neither. Without a supervisor (`sure` is empty) its number may be somebody
# else's by now.
members() {
  found= leader=
  [ -z "$sure" ] || [ -f "$A/code" ] || { read -r leader <"$A/pg"; } 2>/dev/null
  if [ "$group" ] && [ -d "$group" ]; then
    marked=$(cat "$group/cgroup.procs")
  else
    marked=$(grep -lszF "CTL_MARK=:$id:" /proc/[0-9]*/environ) # -z: busybox looks no further than the first NUL
    [ -z "$leader" ] ||
      marked="$marked $(grep -lsE "^[0-9]+ [(].*[)] [A-Z] [0-9]+ [0-9]+ $leader " /proc/[0-9]*/stat)"
  fi
  for file in $leader $marked; do
    file=${file#/proc/}
    file=${file%%/*}
    ! born "$file" || found="$found $file"
  done
  [ "$found" ]
}

# ids job
do_discard() {
  groups=
  for id in $ids; do
    A=$base/attempts/$id
    read_end || continue
    { read -r rest; read -r kept_job; } <"$A/claim"
    rm -f "$A"/o.* "$A/total" "$A/text" "$A/stdin" "$A/pg" "$A/pid" "$A/code" "$A/why" "$A/slow" "$A/spare" \
      "$A/held" "$A/holder" "$A/rested" "$A/let.go" \
      "$base/jobs/$kept_job/$id.output"
    groups="$groups $id"
  done
  [ -z "$cgroup" ] || [ -z "$groups" ] || ( cd "$cgroup" && rmdir $groups ) 2>/dev/null
  [ -z "$job" ] || rm -rf "$base/jobs/$job"
  reply ok=1
}
