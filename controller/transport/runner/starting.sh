# Starting an attempt: its claim, its supervisor, its command, and whoever watches the time.

# id job text stdin (or text_file stdin_file) shell envs workdir user spans grace_tenths segment head tail limits locks
do_start() {
  [ "$user" != "$login" ] || user= # nobody has to become who he is, and only root could
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
  limit_group
  ( supervise ) 2>/dev/null
  envs= text= stdin=
  reply "phase=running fresh=1"
  [ -z "$cgroup" ] || remember_group
}

# One process for the groups of many attempts, instead of one each.
remember_group() {
  begun="$begun $id" starts=$((starts + 1))
  [ $((starts % 32)) = 0 ] || return
  sweep_cgroups $begun
  begun=$open
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

# A server that shuts down tells all of a login to end, the supervisor too. What its command comes to then, an exit of 0
# for all that is known, is no end of the work: none is recorded, and the attempt is interrupted. Without a session of its
# own, a command that tells all of its group to end would look the same, so there nothing is concluded.
lead() {
  trap '' PIPE
  cut=
  [ -z "$has_setsid" ] || trap 'cut=1' TERM
  watch &
  w=$!
  ( launch ) <"$A/stdin" 2>&1 3>&-
  code=$?
  [ -z "$cut" ] || { kill $w; exit; }
  put "$A/code" $code
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
  [ -z "$lacking" ] || refuse "cannot limit$lacking: it needs root, cgroup v2 and these controllers of it"
  umask "$HOME_MASK"
  unset LC_ALL LANG OLDPWD CDPATH
  [ -z "$lang" ] || export LANG="$lang"
  CTL_OUTPUT=$J/$id.output CTL_ARTIFACTS=$J/artifacts CTL_MARK=:$id:
  export CTL_OUTPUT CTL_ARTIFACTS CTL_MARK
  file=$A/text
  if [ "$user" ]; then
    file=$J/$id.text
    [ "$has_setpriv$has_su" ] && become || refuse "cannot become $user: no such user here, or neither setpriv nor su"
  fi
  eval "set -- $shell"
  find_shell "$1" || refuse "cannot find the shell $1"
  case $workdir in /*) ;; '') workdir=$HOME ;; *) workdir=$HOME/$workdir ;; esac
  if [ "$user" ]; then
    [ -d "$workdir" ] || refuse "cannot enter $workdir"
    set -- sh -c 'cd "$0" || exit 126; exec "$@"' "$workdir" "$@" "$file"
    if [ "$has_setpriv" ]; then
      set -- $has_setsid "$has_setpriv" --reuid "$to_uid" --regid "$to_gid" --init-groups "$@"
    else
      set -- $has_setsid "$has_su" -s /bin/sh -c 'exec "$0" "$@"' -- "$user" "$@"
    fi
  else
    cd "$workdir" 2>/dev/null || refuse "cannot enter $workdir"
    set -- $has_setsid "$@" "$file"
  fi
  # So late that a small limit of processes is all for the command.
  [ -z "$group" ] || echo "$me" >"$group/cgroup.procs" || [ -z "$limits" ] || refuse "cannot enter the cgroup $group"
  # Its variables may have the names of ours, and its PATH may lead to anybody's programs: nothing of ours is asked after this.
  eval "$envs"
  exec "$@"
}

# Is there such a program on the PATH that the command will have?
find_shell() {
  case $envs in
    *"export PATH="*) ( eval "$envs"; command -v "$1" ) >/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
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
  wait_out
  trap '' TERM # the leader may die of the first signal; whoever ignores it is still to be killed
  end_tree timeout
}
