# What a runner learns and needs before it takes requests, and the loop that takes them.

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
  tools= has_setpriv= has_su= has_wc= has_sync= has_setsid= cgroup=
  for name in mkdir mv rm cat dd tr grep kill sleep; do
    command -v $name >/dev/null || fail version "the server has no $name"
  done
  for name in sha256sum sync setsid setpriv su; do
    command -v $name >/dev/null && tools=$tools,$name
  done
  case $tools, in *,sync,*) has_sync=1 ;; esac
  has_setsid=$(command -v setsid)
  [ "$uid" != 0 ] || find_becoming
  command -v wc >/dev/null && has_wc=1
  dd iflag=fullblock bs=1 count=0 </dev/null >/dev/null 2>&1 && tools=$tools,fullblock
  [ "$uid" != 0 ] || find_cgroup
}

# Some have a setpriv that knows nothing of users, as that of busybox.
find_becoming() {
  has_su=$(command -v su)
  has_setpriv=$(command -v setpriv) && "$has_setpriv" --reuid 0 true 2>/dev/null || has_setpriv=
}

find_cgroup() {
  while read -r device folder kind rest; do
    [ "$kind" = cgroup2 ] || continue
    [ -d "$folder/ctl" ] || mkdir "$folder/ctl" 2>/dev/null || return 0
    [ -w "$folder/ctl/cgroup.procs" ] || return 0
    cgroup=$folder/ctl tools=$tools,cgroup
    find_controllers "$folder"
    ( cd "$cgroup" && sweep_cgroups * )
    return 0
  done </proc/mounts
}

# The cgroups of those of the attempts $* that have ended, all at once.
sweep_cgroups() {
  over= open=
  for one; do
    if [ -f "$base/attempts/$one/exit" ]; then over="$over $one"; else open="$open $one"; fi
  done
  [ -z "$over" ] || ( cd "$cgroup" && rmdir $over ) 2>/dev/null
}

serve_requests() {
  while IFS= read -r request; do
    case $request in
      +*) request=$(dd bs="${request#+}" count=1 iflag=fullblock 2>/dev/null) ;;
    esac
    eval "$request"
  done
  [ -z "$cgroup" ] || sweep_cgroups $begun
  for name in $pending; do
    L=$base/$name
    ! read_lock || next_lock - ''
  done
}

main() {
  N=$1 r=0 pending= keeper= begun= starts=0
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
