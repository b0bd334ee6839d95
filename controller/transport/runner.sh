# Tillerman's runner: plain POSIX sh, sent on the standard input of `sh`, the same text over ssh and locally.
#
# It reads one request a line: assignments, quoted by the controller, and the name of one function below; "+N" says
# that the request is the N bytes that follow. It answers "@NONCE REQUEST key=value ...", after it `bytes` raw bytes
# where the line says so. "@NONCE ! ATTEMPT ..." is pushed when an attempt ends. Functions named do_* are requests;
# every variable they use in lower case comes with the request.
#
# attempts/ID/: claim (boot id, job, user), pid (of the pump, and its start time), pg (the command), why (who ends
# it: noclobber, the first one wins), code, slow (it lasted longer than its first watch), o.OFFSET (segments of
# output), exit (the end: one line, valid when it ends in a dot), spare (room for these lines when the disk is full).

# --- small things ---------------------------------------------------------------------------------------------------

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

# --- the opening ----------------------------------------------------------------------------------------------------

fail() { printf '@%s 0 error=%s msg=%s\n' "$N" "$1" "$2"; exit 0; }

# Forget what the login exported. `export -p` quotes values over several lines, so it may name too much, never too little.
clean_environment() {
  IFS=$NL
  set -f
  for name in $(export -p); do
    name=${name#export }
    name=${name#declare -x }
    name=${name%%=*}
    case $name in
      *[!A-Za-z0-9_]*|[0-9]*|PATH|HOME|USER|LOGNAME|SHELL|LANG|PWD|IFS|N|NL|HOME_MASK|_) ;;
      *) unset "$name" 2>/dev/null || : ;;
    esac
  done
  set +f
  unset IFS
  : "${PATH:=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}"
  lang=${LANG-}
  LC_ALL=C
  export PATH LC_ALL
}

who_am_i() {
  uid=
  while read -r key value rest; do
    [ "$key" != Uid: ] || { uid=$value; break; }
  done </proc/self/status
  entry=$(grep "^[^:]*:[^:]*:$uid:" /etc/passwd 2>/dev/null)
  login=${entry%%:*}
  : "${login:=${LOGNAME:-${USER:-$uid}}}"
  if [ "$uid" = 0 ]; then login=root base=/var/lib/ctl; else base=$HOME/.local/state/ctl; fi
  USER=$login LOGNAME=$login
  : "${SHELL:=/bin/sh}" "${HOME:=/}"
  export USER LOGNAME SHELL HOME
}

open_base() {
  [ -d "$base/attempts" ] || mkdir -p "$base/attempts" "$base/jobs" "$base/incoming" 2>/dev/null ||
    fail state "cannot make the state folder $base"
  [ ! -L "$base" ] || fail state "the state folder $base is a symbolic link"
  [ -O "$base" ] 2>/dev/null || fail state "the state folder $base belongs to somebody else"
  [ -d "$base/jobs" ] && [ -d "$base/incoming" ] || mkdir -p "$base/jobs" "$base/incoming"
  command -v chmod >/dev/null && chmod go-w "$base" 2>/dev/null
  { true >|"$base/incoming/writable"; } 2>/dev/null || fail state "cannot write to the state folder $base"
  for file in "$base"/incoming/*; do
    owner=${file##*/}
    [ ! -f "$file" ] || [ -d "/proc/${owner%%.*}" ] || rm -f "$file"
  done
}

find_tools() {
  tools= has_wc= has_sync= has_setsid= cgroup=
  for name in mkdir mv rm cat dd tr grep kill sleep; do
    command -v $name >/dev/null || fail version "the server has no $name"
  done
  for name in sha256sum sync setsid setpriv su; do
    command -v $name >/dev/null && tools=$tools,$name
  done
  case $tools, in *,sync,*) has_sync=1 ;; esac
  case $tools, in *,setsid,*) has_setsid=setsid ;; esac
  command -v wc >/dev/null && has_wc=1
  dd iflag=fullblock bs=1 count=0 </dev/null >/dev/null 2>&1 && tools=$tools,fullblock
  [ "$uid" != 0 ] || find_cgroup
}

find_cgroup() {
  while read -r device folder kind rest; do
    [ "$kind" = cgroup2 ] || continue
    [ -d "$folder/ctl" ] || mkdir "$folder/ctl" 2>/dev/null || return 0
    [ -w "$folder/ctl/cgroup.procs" ] || return 0
    cgroup=$folder/ctl tools=$tools,cgroup
    return 0
  done </proc/mounts
}

# --- starting -------------------------------------------------------------------------------------------------------

# id job text stdin (or text_file stdin_file) shell envs workdir user spans grace_tenths segment head tail locks
do_start() {
  A=$base/attempts/$id J=$base/jobs/$job sure=1
  group=${cgroup:+$cgroup/$id}
  if [ -f "$A/claim" ]; then not_fresh; return; fi
  mkdir "$A" "$J" "$J/artifacts" ${group:+"$group"} 2>/dev/null
  if ! once "$A/claim" "$boot$NL$job$NL$user"; then
    if [ -f "$A/claim" ]; then not_fresh; else reply "error=state msg=cannot write to $A"; fi
    return
  fi
  if ! prepare; then # nothing has run: take the claim back
    rm -rf "$A"
    reply "error=state msg=cannot write to $A"
    return
  fi
  ready=1
  [ -z "$user" ] || give_to_user || ready=
  ( supervise ) 2>/dev/null
  envs= text= stdin=
  reply "phase=running fresh=1"
}

# Everything the attempt needs to its end, also if the disk fills up.
prepare() {
  spool text "$text_file" "$text" && spool stdin "$stdin_file" "$stdin" &&
    printf '%16384s' . >"$A/spare" && true >"$J/$id.output" || return 1
  for lock in $locks; do printf '%s\n' "$id" >>"$base/$lock" || return 1; done
} 2>/dev/null

# NAME FILE BYTES: what the command reads, sent ahead or in the request itself.
spool() {
  if [ "$2" ]; then mv "$base/incoming/$2" "$A/$1"; else printf '%s' "$3" >"$A/$1"; fi
} 2>/dev/null

not_fresh() {
  [ -z "$text_file$stdin_file" ] || rm -f "$base/incoming/$text_file" "$base/incoming/$stdin_file"
  say_status
}

# The step's user must reach its files and nobody else's: folders it may pass through but not list.
give_to_user() {
  chmod 711 "$base" "$base/jobs" "$J" && cat "$A/text" >"$J/$id.text" && command -v chown >/dev/null || return 1
  chown "$user" "$J/$id.text" "$J/$id.output" "$J/artifacts" || : # an unknown user is told of by `launch`
} 2>/dev/null

# The supervisor: two processes, `lead` and `pump`, joined by the command's output. Descriptor 3 is the channel. None is
# started by `&`, for that has every shell ignore INT and QUIT for good, and no script could trap them. Instead the
# pump, being the last to be forked, kills the shell that waits for both.
supervise() {
  trap '' HUP INT QUIT TERM
  exec 3>&1 >/dev/null 2>&1 </dev/null
  lead | pump
  :
}

lead() {
  trap '' PIPE
  watch &
  w=$!
  ( launch ) <"$A/stdin" 2>&1 3>&-
  put "$A/code" $?
  exec >/dev/null
  [ -z "$user" ] || rm -f "$J/$id.text"
  [ -f "$A/slow" ] || exit # the watcher, in its first span, looks after the rest
  kill $w
  linger
}

# A descendant that keeps the output open must not hide that the command has ended.
linger() {
  for pause in 0.02 0.2 0.4 0.6; do
    [ ! -f "$A/exit" ] || return
    nap $pause
  done
  count=0 # who stops the attempt needs its grace first, and says what it could not reach
  while [ -f "$A/why" ] && [ ! -f "$A/exit" ] && [ ! -f "$A/incomplete" ] && [ $count -lt 3000 ]; do
    count=$((count + 1))
    nap 0.2
  done
  [ ! -f "$A/exit" ] && read -r code <"$A/code" || return
  for file in "$A"/o.*; do :; done
  size_of "$file"
  unpad "${file##*/o.}"
  finish $((number + counted)) "left running: processes that hold its output"
}

# Learn one's own pid, parent and start time.
introduce() {
  read -r line </proc/self/stat
  me=${line%% *}
  set -- ${line##*)}
  parent=$2
  shift 19
  started=$1
}

launch() {
  trap - HUP INT QUIT TERM PIPE
  introduce
  put "$A/pg" "$me"
  [ "$ready" ] || refuse "cannot hand over what $user needs: no chmod or chown, or no room in $J"
  [ -z "$group" ] || echo "$me" >"$group/cgroup.procs"
  umask "$HOME_MASK"
  unset LC_ALL LANG OLDPWD CDPATH
  [ -z "$lang" ] || export LANG="$lang"
  CTL_OUTPUT=$J/$id.output CTL_ARTIFACTS=$J/artifacts CTL_MARK=:$id:
  export CTL_OUTPUT CTL_ARTIFACTS CTL_MARK
  file=$A/text
  if [ "$user" ]; then
    file=$J/$id.text
    become || refuse "cannot become $user: no such user here, or neither setpriv nor su"
  fi
  eval "$envs"
  eval "set -- $shell"
  command -v "$1" >/dev/null || refuse "cannot find the shell $1"
  case $workdir in /*) ;; '') workdir=$HOME ;; *) workdir=$HOME/$workdir ;; esac
  if [ "$user" ]; then
    [ -d "$workdir" ] || refuse "cannot enter $workdir"
    as_user sh -c 'cd "$0" || exit 126; exec "$@"' "$workdir" "$@" "$file"
  fi
  cd "$workdir" 2>/dev/null || refuse "cannot enter $workdir"
  exec $has_setsid "$@" "$file"
}

refuse() { once "$A/why" "start $1"; exit 126; }

# Find the user's numbers and home; the environment speaks of the user from here on.
become() {
  entry=$(getent passwd "$user" || grep "^$user:" /etc/passwd) || return 1
  set -f
  IFS=:
  set -- $entry
  unset IFS
  set +f
  to_uid=$3 to_gid=$4 HOME=$6 SHELL=${7:-/bin/sh}
  USER=$user LOGNAME=$user
}

as_user() {
  case $tools, in
    *,setpriv,*) exec $has_setsid setpriv --reuid "$to_uid" --regid "$to_gid" --init-groups "$@" ;;
    *) exec $has_setsid su -s /bin/sh -c 'exec "$0" "$@"' -- "$user" "$@" ;;
  esac
}

# spans: the time-out, its first second apart, so that most attempts need nobody to end their watcher.
watch() {
  exec >/dev/null # not as a redirection of the call: a shell may keep the pipe open to restore it
  trap 'kill $!; exit' TERM
  for span in $spans; do
    sleep "$span" 3>&- &
    wait $!
    [ -f "$A/claim" ] && [ ! -f "$A/exit" ] || exit
    true >|"$A/slow"
    [ ! -f "$A/code" ] || { linger; exit; }
  done
  trap '' TERM # the leader may die of the first signal; whoever ignores it is still to be killed
  end_tree timeout
}

# --- output ---------------------------------------------------------------------------------------------------------

# One `dd` a segment. It counts blocks: fewer than asked for means that the output has ended.
pump() {
  introduce
  put "$A/pid" "$me $started"
  kill -PIPE "$parent"
  trap '' PIPE
  total=0 block=4096 lost=
  set --
  while segment; do
    set -- "$@" "$padded"
    if [ "$total" -gt $((head + tail + segment)) ]; then cap "$@"; break; fi
  done
  [ -f "$A/code" ] || exit
  read -r code <"$A/code"
  finish "$total" "$lost"
}

segment() {
  pad "$total"
  blocks=$((segment / block))
  if ! said=$(dd bs=$block count=$blocks of="$A/o.$padded" 2>&1); then
    drain
    return 1
  fi
  full=${said%%" records in"*}
  full=${full##*[!0-9+]}
  part=${full#*+} full=${full%+*}
  set -- ${said##*records out}
  if [ ! "$1" ]; then # a busybox that does not count bytes
    size_of "$A/o.$padded"
    set -- "$counted"
  fi
  total=$((total + $1))
  [ $((full + part)) -ge "$blocks" ] || return 1
  [ "$full" -lt "$blocks" ] || [ "$segment" -lt 1048576 ] || block=65536
}

# No room: keep what was written, and read on, so that the command is not held up.
drain() {
  size_of "$A/o.$padded" || counted=0
  total=$((total + counted))
  lost="output lost from byte $total on: cannot write to $A"
  dd bs=65536 of=/dev/null
} 2>/dev/null

# Past the cap: digest everything on its way, keep the head and the tail, delete the middle.
cap() {
  case $tools, in *,sha256sum,*) digest=sha256sum ;; *) digest=true ;; esac
  keep_ends "$@" | { $digest; cat >/dev/null; } >|"$A/sha"
  read -r total lost <"$A/total"
}

keep_ends() {
  trap '' PIPE
  for offset; do cat "$A/o.$offset"; done
  while [ $# -gt 0 ]; do
    unpad "$1"
    [ "$number" -lt "$head" ] || break
    shift
  done
  ended=
  while [ -z "$ended" ]; do
    segment || ended=1
    cat "$A/o.$padded"
    set -- "$@" "$padded"
    while [ $# -gt 1 ]; do
      unpad "$2"
      [ "$number" -le $((total - tail)) ] || break
      rm -f "$A/o.$1"
      shift
    done
  done
  put "$A/total" "$total $lost"
}

# LENGTH NOTE: record the end, once, and tell it. What is short enough rides along.
finish() {
  ending=exit note=$2
  if [ -f "$A/why" ]; then
    read -r ending words <"$A/why"
    note=${words:-$note}
  fi
  sha=-
  [ ! -s "$A/sha" ] || read -r sha rest <"$A/sha"
  outputs=0
  [ ! -s "$J/$id.output" ] || outputs=1
  end="ending=$ending code=$code length=$1 sha=${sha:--} outputs=$outputs msg=$note"
  once "$A/exit" "$end ." || return 0
  slurped=
  [ "$1" -gt 2000 ] || [ "$1" = 0 ] || sip "$A/o.000000000000000"
  [ ${#slurped} = "$1" ] || slurped=
  printf '@%s ! attempt=%s phase=ended bytes=%s %s\n%s' "$N" "$id" ${#slurped} "$end" "$slurped" >&3
}

# OFFSET LENGTH: these bytes of descriptor 5, exactly. `skip` with `count=0` only moves the shared position.
piece() { seek "$1"; send "$2"; }
seek() {
  [ $1 -lt 65536 ] || dd bs=65536 skip=$(($1 / 65536)) count=0
  [ $(($1 % 65536)) = 0 ] || dd bs=$(($1 % 65536)) skip=1 count=0
} <&5 2>/dev/null
send() {
  [ $1 -lt 65536 ] || dd bs=65536 count=$(($1 / 65536))
  [ $(($1 % 65536)) = 0 ] || dd bs=$(($1 % 65536)) count=1
} <&5 2>/dev/null

# The same of a file that others may cut meanwhile: what is missing is sent as NUL bytes, and counted in `short`.
promised() {
  seek "$1"
  where
  before=$position
  [ "$before" != "$1" ] || send "$2"
  where
  short=$(($2 - position + before))
  [ "$short" -le 0 ] || dd if=/dev/zero bs="$short" count=1 2>/dev/null
}
where() { read -r rest position; } </proc/self/fdinfo/5

# id offset limit
do_output() {
  A=$base/attempts/$id
  length= ended=0
  if read_end; then ended=1 length=${end#*length=} length=${length%% *}; fi
  found= from=0 next= after=
  for file in "$A"/o.*; do
    [ -f "$file" ] || continue
    unpad "${file##*/o.}"
    if [ "$number" -le "$offset" ]; then found=$file from=$number; else next=$number after=$file; break; fi
  done
  gap=0
  { [ "$found" ] && serve; } || { [ "$next" ] && gap=$((next - offset)) offset=$next from=$next found=$after && serve; } ||
    reply "offset=$offset gap=0 ended=$ended length=${length:-0} bytes=0"
}

# Two descriptors, so that measuring does not move the position; a segment may be deleted between any two lines.
serve() {
  {
    size_of /dev/fd/4 || return 1
    have=$((from + counted))
    [ -z "$length" ] || [ "$have" -le "$length" ] || have=$length
    have=$((have - offset))
    [ "$have" -gt 0 ] || return 1
    [ "$have" -le "$limit" ] || have=$limit
    reply "offset=$offset gap=$gap ended=$ended length=${length:-0} bytes=$have"
    piece $((offset - from)) "$have"
  } 4<"$found" 5<"$found" 2>/dev/null
}

# --- what is known --------------------------------------------------------------------------------------------------

# The recorded end of $A, complete or not at all.
read_end() {
  end=
  [ -f "$A/exit" ] && read -r end <"$A/exit"
  case $end in *" .") end=${end%" ."} ;; *) return 1 ;; esac
}

phase_of() {
  phase=none
  [ -f "$A/claim" ] || return 0
  phase=ended
  ! read_end || return 0
  phase=interrupted was=
  { read -r was <"$A/claim"; } 2>/dev/null
  [ "${was:-$boot}" = "$boot" ] || return 0
  for pause in 0.05 0.2 0.5 1; do
    [ ! -s "$A/pid" ] || break
    nap $pause
  done
  { read -r pump born_at <"$A/pid"; } 2>/dev/null || return 0
  { read -r leader <"$A/pg"; } 2>/dev/null || leader=0
  if alive "$pump" "$born_at" || lingers; then phase=running; return; fi
  ! read_end || phase=ended
}

# The pump has gone but the leader may still be about to record the end.
lingers() {
  for pause in 0.1 0.5 1 1; do
    [ -f "$A/code" ] && [ ! -f "$A/exit" ] || return 1
    nap $pause
  done
  return 1
}

# id: without forking, for those who ask often
do_phase() {
  A=$base/attempts/$id
  say_status
}

say_status() {
  phase_of
  reply "phase=$phase fresh=0 $end"
}

# id: with the digest of what was kept whole, and the outputs as the body.
do_status() {
  A=$base/attempts/$id
  phase_of
  incomplete= outputs_file=
  [ ! -s "$A/incomplete" ] || read -r incomplete <"$A/incomplete"
  if [ "$phase" = running ]; then
    for file in "$A"/o.*; do :; done
    [ ! -f "$file" ] || { size_of "$file"; unpad "${file##*/o.}"; end="length=$((number + counted))"; }
  fi
  if [ "$phase" = ended ]; then
    case $end in *" sha=- "*) digest_kept ;; esac
    case $end in *" outputs=1 "*)
      { read -r rest; read -r job; } <"$A/claim"
      outputs_file=$base/jobs/$job/$id.output
    esac
  fi
  tell_status 5<"${outputs_file:-/dev/null}" || { outputs_file=; tell_status; }
} 2>/dev/null

tell_status() {
  counted=0
  [ -z "$outputs_file" ] || size_of /dev/fd/5 || counted=0
  [ "$counted" -le 65536 ] || counted=65536
  reply "phase=$phase fresh=0 bytes=$counted incomplete=${incomplete:--} $end"
  [ "$counted" = 0 ] || promised 0 "$counted"
  return 0
}

digest_kept() {
  case $tools, in *,sha256sum,*) ;; *) return ;; esac
  if [ ! -s "$A/sha" ]; then
    [ ! -f "$A/total" ] && [ -f "$A/o.000000000000000" ] || return 0
    length=${end#*length=} length=${length%% *}
    for file in "$A"/o.*; do
      unpad "${file##*/o.}"
      [ "$number" -lt "$length" ] || [ "$length" = 0 ] || continue
      size_of "$file"
      [ $((number + counted)) -le "$length" ] || counted=$((length - number))
      piece 0 "$counted" 5<"$file"
    done | sha256sum >|"$A/sha"
  fi
  read -r sha rest <"$A/sha"
  end="${end%%sha=-*}sha=$sha${end#*sha=-}"
}

# --- stopping -------------------------------------------------------------------------------------------------------

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

# --- tidying --------------------------------------------------------------------------------------------------------

# ids job
do_discard() {
  groups=
  for id in $ids; do
    A=$base/attempts/$id
    read_end || continue
    { read -r rest; read -r kept_job; } <"$A/claim"
    rm -f "$A"/o.* "$A/total" "$A/text" "$A/stdin" "$A/pg" "$A/pid" "$A/code" "$A/why" "$A/slow" "$A/spare" \
      "$base/jobs/$kept_job/$id.output"
    groups="$groups $id"
  done
  [ -z "$cgroup" ] || [ -z "$groups" ] || ( cd "$cgroup" && rmdir $groups ) 2>/dev/null
  [ -z "$job" ] || rm -rf "$base/jobs/$job"
  reply ok=1
}

# --- probes ---------------------------------------------------------------------------------------------------------

# text shell envs workdir user timeout limit
do_probe() {
  id=probe.$$.$r ready=1 sure=1
  A=$base/incoming/$$.$r J=$base/jobs group=
  mkdir "$A"
  printf '%s' "$text" >"$A/text"
  if [ "$user" ]; then
    chmod 711 "$base" "$base/jobs"
    true >"$J/$id.text"
    chown "$user" "$J/$id.text"
    printf '%s' "$text" >"$J/$id.text"
  fi
  ( probe & )
  envs= text=
}

watch_probe() {
  trap 'kill $!; exit' TERM
  sleep "$timeout" &
  wait $!
  trap '' TERM
  end_tree timeout
}

probe() {
  exec 3>&1 >/dev/null 2>&1 </dev/null
  {
    launch 2>&1 3>&- &
    c=$!
    watch_probe >/dev/null 3>&- &
    w=$!
    wait $c
    printf '%s\n' $? >"$A/code"
    kill $w
  } | {
    if [ "$fullblock" ]; then dd bs="$limit" count=1 iflag=fullblock; else dd bs=1 count="$limit"; fi >"$A/out"
    cat
  }
  code=126
  [ ! -s "$A/code" ] || read -r code <"$A/code"
  late=0
  [ ! -s "$A/why" ] || read -r late words <"$A/why"
  [ "$late" = start ] && printf '%s' "$words" >"$A/out"
  size_of "$A/out"
  slurped=
  [ "$counted" -gt 2000 ] || slurp "$A/out"
  inline=${#slurped}
  [ "$inline" = "$counted" ] || inline=0 slurped=
  rm -f "$J/$id.text"
  [ "$inline" != "$counted" ] || rm -rf "$A"
  printf '@%s %s code=%s why=%s size=%s bytes=%s file=%s\n%s' "$N" "$r" "$code" "$late" "$counted" "$inline" "$A" \
    "$slurped" >&3
}

# --- files ----------------------------------------------------------------------------------------------------------

# name size: the bytes that follow go to a file which `start` will take.
do_blob() {
  if [ "$fullblock" ]; then
    {
      [ "$size" -lt 65536 ] || dd bs=65536 count=$((size / 65536)) iflag=fullblock
      [ $((size % 65536)) = 0 ] || dd bs=$((size % 65536)) count=1 iflag=fullblock
    } >"$base/incoming/$name" 2>/dev/null
  else
    dd bs=1 count="$size" >"$base/incoming/$name" 2>/dev/null
  fi
  size_of "$base/incoming/$name"
  [ "$counted" = "$size" ] || { rm -f "$base/incoming/$name"; reply "error=state msg=cannot write to $base"; exit 1; }
  reply "name=$name"
}

# path within
do_size() {
  counted=-
  [ ! -f "$path" ] || { reachable && size_of /dev/fd/5 || counted=-; } 5<"$path" 2>/dev/null
  reply "size=$counted"
}

# path offset limit within
do_fetch() {
  answered=
  [ ! -f "$path" ] || {
    answered=1
    if reachable; then fetch; else reply "error=missing msg=it lies elsewhere"; fi
  } 5<"$path" 2>/dev/null
  [ "$answered" ] || reply "error=missing msg=no such file"
}

fetch() {
  size_of /dev/fd/5 || counted=0
  counted=$((counted - offset)) short=0
  [ "$counted" -gt 0 ] || counted=0
  [ "$counted" -le "$limit" ] || counted=$limit
  reply "more=1 bytes=$counted"
  [ "$counted" = 0 ] || promised "$offset" "$counted"
  reply "short=$short"
}

reachable() { [ -z "$within" ] || inside; }

# The open file lies where its name says: whoever may write to the folder could have put a link there.
inside() {
  real=$(ls -l "/proc/$$/fd/5") && home=$(cd -P "$within" && pwd -P) || return 1
  case ${real#*" -> "} in "$home"/*) ;; *) return 1 ;; esac
}

# job
do_artifacts() {
  listing=$base/incoming/$$.list left=1000
  (cd -P "$base/jobs/$job/artifacts" && here=$(pwd -P) && walk "" 0) >|"$listing" 2>/dev/null
  { size_of /dev/fd/4; reply "bytes=$counted"; piece 0 "$counted"; } 4<"$listing" 5<"$listing"
  rm -f "$listing"
}

# PREFIX DEPTH: list the folder we are in. Somebody may put links in place of folders at any moment, so after each step
# the kernel says where we are.
walk() {
  for entry in * .[!.]* ..?*; do
    [ ! -L "$entry" ] || continue
    if [ -d "$entry" ]; then
      [ "$2" -lt 50 ] && cd -P "./$entry" || continue
      here=$here/$entry
      [ "$(pwd -P)" != "$here" ] || walk "$1$entry/" $(($2 + 1))
      here=${here%/*}
      cd -P .. && [ "$(pwd -P)" = "$here" ] || exit
    elif [ -f "$entry" ]; then
      [ "$left" -gt 0 ] || return 0
      left=$((left - 1))
      size_of "./$entry" && printf '%s %s\0' "$counted" "$1$entry"
    fi
  done
}

# --- markers and locks ----------------------------------------------------------------------------------------------
#
# A lock is a folder of generations h.000001, h.000002 ...: each made by noclobber, so exactly one can follow another.
# The highest is in force: boot id, pid and start time of its runner, run ("-" is free), holder as JSON, a dot.

# project
do_markers() {
  for file in "$base/$project"/targets/*.json; do
    [ -f "$file" ] || continue
    name=${file##*/}
    slurp "$file"
    printf '@%s %s more=1 bytes=%s name=%s\n%s' "$N" "$r" ${#slurped} "${name%.json}" "$slurped"
  done
  reply end=1
}

# project
do_locks() {
  for L in "$base/$project"/locks/*; do
    [ -d "$L" ] && read_lock && ! may_take || continue
    printf '@%s %s more=1 bytes=%s name=%s\n%s' "$N" "$r" ${#h_holder} "${L##*/}" "$h_holder"
  done
  reply end=1
}

# The generation in force; false when the lock is free.
read_lock() {
  generation=0 h_boot= h_pid= h_born= h_run=- h_holder= h_dot=
  for file in "$L"/h.*; do
    [ -f "$file" ] || continue
    generation=${file##*/h.}
  done
  unpad "$generation"
  generation=$number
  [ "$generation" != 0 ] || return 1
  for pause in 0.05 0.2 ''; do
    { read -r h_boot; read -r h_pid h_born; read -r h_run; IFS= read -r h_holder; read -r h_dot; } <"$file"
    [ -z "$h_dot" ] && [ "$pause" ] || break
    nap $pause
  done 2>/dev/null
  [ "$h_dot" ] && [ "$h_run" != - ]
}

# May the lock in force be taken over: earlier boot, or nobody there to hold it and nothing running under it.
may_take() {
  [ "$h_boot" = "$boot" ] || return 0
  some=
  if [ -f "$L/attempts.$generation" ]; then
    while read -r id; do
      some=1
      A=$base/attempts/$id
      phase_of
      [ "$phase" != running ] || return 1
    done <"$L/attempts.$generation"
  fi
  if [ "$some" ] && [ "$h_pid $h_born" = "$keeper" ]; then return 0; fi
  ! alive "$h_pid" "$h_born"
}

# RUN HOLDER: follow the generation in force; false when somebody else did.
next_lock() {
  pad $((generation + 1))
  once "$L/h.$padded" "$boot$NL$keeper$NL$1$NL$2$NL." || return 1
  pad $((generation - 1))
  rm -f "$L/h.$padded" "$L/attempts.$((generation - 1))"
  generation=$((generation + 1))
}

# project target run holder keeper
do_lock() {
  L=$base/$project/locks/$target M=$base/$project/targets/$target.json
  [ -d "$L" ] && [ -d "$base/$project/targets" ] || mkdir -p "$L" "$base/$project/targets"
  state=got old=
  if read_lock; then
    old=$h_holder
    if [ "$h_run" = "$run" ]; then state=again; elif may_take; then state=took; else state=held; fi
  fi
  if [ $state != held ]; then
    before=$generation
    if next_lock "$run" "$holder"; then
      [ $state != again ] || [ ! -f "$L/attempts.$before" ] || cat "$L/attempts.$before" >"$L/attempts.$generation"
      [ $state = again ] || pending="$pending $project/locks/$target"
    else
      read_lock
      state=held old=$h_holder
    fi
  fi
  marker=no slurped=
  [ ! -f "$M" ] || { slurp "$M"; marker=yes; }
  printf '@%s %s state=%s marker=%s generation=%s holder=%s bytes=%s\n%s%s' "$N" "$r" $state $marker "$generation" \
    ${#old} $((${#old} + ${#slurped})) "$old" "$slurped"
}

settled() {
  rest=
  for name in $pending; do [ "$name" = "$1" ] || rest="$rest $name"; done
  pending=$rest
}

# project target run marker keeper: write the marker under the lock just taken
do_commit() {
  L=$base/$project/locks/$target M=$base/$project/targets/$target.json
  settled "$project/locks/$target"
  if read_lock && [ "$h_run" = "$run" ] && store "$M" "$marker"; then reply ok=1; return; fi
  reply "error=state msg=cannot write the marker $M"
}

# project target run keeper: give back the lock just taken
do_abort() {
  L=$base/$project/locks/$target
  settled "$project/locks/$target"
  ! read_lock || [ "$h_run" != "$run" ] || next_lock - ''
  reply ok=1
}

# project target run marker gone keeper
do_release() {
  L=$base/$project/locks/$target M=$base/$project/targets/$target.json
  if read_lock && [ "$h_run" = "$run" ]; then
    if [ "$gone" ]; then rm -f "$M"; else store "$M" "$marker"; fi || {
      reply "error=state msg=cannot write the marker $M"
      return
    }
    next_lock - ''
    reply held=1
    return
  fi
  slurped= there=no
  [ ! -f "$M" ] || { slurp "$M"; there=yes; }
  same=0
  if [ "$gone" ]; then [ $there = yes ] || same=1; else [ "$slurped" != "$marker" ] || same=1; fi
  printf '@%s %s held=0 same=%s bytes=%s\n%s' "$N" "$r" $same ${#h_holder} "$h_holder"
}

# project target run keeper: delete the marker under the lock just taken
do_forget() {
  L=$base/$project/locks/$target M=$base/$project/targets/$target.json
  settled "$project/locks/$target"
  if ! { read_lock && [ "$h_run" = "$run" ] && rm -f "$M"; }; then reply "error=state msg=cannot delete $M"; return; fi
  next_lock - ''
  reply ok=1
}

# --- the loop -------------------------------------------------------------------------------------------------------

serve_requests() {
  while IFS= read -r request; do
    case $request in
      +*) request=$(dd bs="${request#+}" count=1 iflag=fullblock 2>/dev/null) ;;
    esac
    eval "$request"
  done
  for name in $pending; do
    L=$base/$name
    ! read_lock || next_lock - ''
  done
}

main() {
  N=$1 r=0 pending= keeper=
  NL='
'
  HOME_MASK=$(umask)
  umask 077
  clean_environment
  who_am_i
  { read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null || fail version "the server has no /proc"
  find_tools
  open_base
  case $tools, in *,fullblock,*) fullblock=1 ;; *) fullblock= ;; esac
  born $$
  keeper="$$ $started"
  printf '@%s 0 boot=%s login=%s uid=%s pid=%s born=%s tools=%s base=%s\n' \
    "$N" "$boot" "$login" "$uid" "$$" "$started" "${tools#,}" "$base"
  serve_requests
}
