# What delivering files and trees has in common: who owns them, how folders are entered, how things are cleaned up.
#
# Plain POSIX sh. It may run as root in folders that others may write to, so a path is walked part by part, everything is made in a
# private folder beside its place (nobody else can reach into it), and only a rename brings it there.

umask 077
LC_ALL=C
export LC_ALL
unset CDPATH
NL='
'
subject=anything made=0 stages=0 placed=

say() { printf '%s\n' "$1"; }
fail() { say "cannot deliver $subject: $1"; exit 1; }
need() { for tool; do command -v "$tool" >/dev/null || fail "the server has no $tool"; done; }

# What was not brought to its place goes, also on the way out after a failure or a stop.
clean_up() {
  cd /
  while [ $stages -gt 0 ]; do
    eval "folder=\$stage_$stages"
    rm -rf "$folder"
    stages=$((stages - 1))
  done
  [ ! "$placed" ] || return 0
  while [ $made -gt 0 ]; do
    eval "folder=\$made_$made"
    rmdir "$folder" 2>/dev/null || :
    made=$((made - 1))
  done
}

begin() {
  trap clean_up EXIT
  trap 'exit 143' HUP INT TERM
  while read -r key value rest; do
    case $key in
      Uid:) my_uid=$value ;;
      Gid:) my_gid=$value ;;
    esac
  done </proc/self/status
  has_sync= has_stat= over=
  ! command -v sync >/dev/null || has_sync=1
  ! command -v stat >/dev/null || has_stat=1
  case $(mv --help 2>&1) in *-T*) over=-T ;; esac
}

# What was sent is not needed any more: its spool is emptied where the kernel lets us.
empty_spool() { true >|/proc/self/fd/0; } 2>/dev/null

# DATABASE NAME: the fields of an entry, by name or number.
entry() {
  found=$(getent "$1" "$2" 2>/dev/null) && [ "$found" ] || {
    while IFS= read -r found; do
      split
      [ "$first" != "$2" ] && [ "$third" != "$2" ] || return 0
    done <"/etc/$1"
    return 1
  }
  split
} 2>/dev/null
split() {
  set -f
  IFS=:
  set -- $found
  unset IFS
  set +f
  first=${1-} third=${3-} fourth=${4-}
}

# OWNER GROUP USER: their numbers in `uid` and `gid`. What is not named is that of the user, or of whoever does this.
ids_of() {
  uid=$my_uid gid=$my_gid
  if [ "$3" ]; then
    entry passwd "$3" || fail "there is no user $3"
    uid=$third gid=$fourth
  fi
  case $1 in
    '') ;;
    *[!0-9]*) entry passwd "$1" || fail "there is no user $1"; uid=$third ;;
    *) uid=$1 ;;
  esac
  case $2 in
    '') ;;
    *[!0-9]*) entry group "$2" || fail "there is no group $2"; gid=$third ;;
    *) gid=$2 ;;
  esac
}

# Owner, group and mode of what has the name $1, not of what it may lead to.
attributes() {
  if [ "$has_stat" ]; then
    line=$(stat -c '%a %u %g %U:%G' "$1") || return 1
    its_names=${line#* * * }
    set -f
    set -- $line
    set +f
    mode=0000$1
    mode=${mode#"${mode%????}"}
    set -- "$2" "$3"
  else
    line=$(ls -ldn "$1") || return 1
    set -f
    set -- $line
    set +f
    octal "$1"
    set -- "$3" "$4"
    its_names=$1:$2
  fi
  its_uid=$1 its_gid=$2
}
octal() {
  rest=${1#?} mode= special=0
  for weight in 4 2 1; do
    digit=0
    case $rest in r*) digit=4 ;; esac
    case $rest in ?w*) digit=$((digit + 2)) ;; esac
    case $rest in ??[xst]*) digit=$((digit + 1)) ;; esac
    case $rest in ??[sStT]*) special=$((special + weight)) ;; esac
    mode=$mode$digit rest=${rest#???}
  done
  mode=$special$mode
}

# Where we are, whatever links led here; names may end in newlines.
where() {
  here=$(pwd -P && echo .)
  here=${here%"$NL."}
  [ "$here" != / ] || here=
}

# Go to the folder $1, making what is missing for `uid` and `gid`. Somebody may put links in place of folders at any moment, so after
# each step the kernel says where we are.
enter() {
  ahead=${1#/} here=
  cd /
  while [ "$ahead" ]; do
    part=${ahead%%/*}
    case $ahead in */*) ahead=${ahead#*/} ;; *) ahead= ;; esac
    case $part in ''|.) continue ;; ..) fail "its path holds .." ;; esac
    if [ -L "./$part" ]; then
      trusted "./$part" || fail "$here/$part is a symbolic link that somebody else may change"
      cd -P "./$part" 2>/dev/null || fail "$here/$part leads to no folder"
      where
    else
      new=
      [ -e "./$part" ] || make "$part"
      into "$here/$part" "./$part" || fail "cannot enter $here/$part"
      [ ! "$new" ] || own_folder
    fi
  done
}

# FULL RELATIVE: go there; false when we did not arrive where the name says.
into() {
  cd -P "$2" 2>/dev/null || return 1
  where
  [ "$here" = "$1" ]
}

# Root follows only links that root has made, in folders of root.
trusted() {
  [ "$my_uid" = 0 ] || return 0
  [ -O . ] && attributes "$1" && [ "$its_uid" = 0 ]
}

make() {
  ( umask 022; mkdir "./$1" ) 2>/dev/null || fail "cannot make the folder $here/$1"
  new=1
}
own_folder() {
  [ -O . ] || fail "$here was taken by somebody else"
  made=$((made + 1))
  eval "made_$made=\$here"
  [ "$uid:$gid" = "$my_uid:$my_gid" ] || chown "$uid:$gid" . || fail "cannot give $here to $uid:$gid"
  say "made the folder $here"
}

# PREFIX: make a private folder here and enter it. Those that a killed delivery left behind go first.
open_stage() {
  for old in ./"$1"*; do
    [ -d "$old" ] && [ ! -L "$old" ] && [ -O "$old" ] && [ ! -d "/proc/${old##*-}" ] || continue
    rm -rf "$old"
  done
  name=$1$CTL_JOB-$stages-$$
  mkdir "./$name" || fail "cannot write to ${here:-/}"
  stages=$((stages + 1))
  eval "stage_$stages=\$here/\$name"
  into "$here/$name" "./$name" && [ -O . ] || fail "$here was changed by somebody else"
}

# NUMBER: go back to a private folder.
reopen_stage() {
  eval "folder=\$stage_$1"
  into "$folder" "$folder" && [ -O . ] || fail "$folder was changed by somebody else"
}

# FROM TO: rename over whatever has that name, but into no folder.
rename() {
  if [ "$over" ]; then mv -f -T "$1" "$2"; else [ ! -d "$2" ] && mv -f "$1" "$2"; fi 2>/dev/null
}

flush() { [ ! "$has_sync" ] || sync "$1" 2>/dev/null || :; }
