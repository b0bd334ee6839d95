# Looking at delivered files and trees, read only: one line for each, by its number.
#
# After this text stand `look` lines. Kind "-" is nothing at all, "?" cannot be seen, "o" something else, "f" a file.

LC_ALL=C
export LC_ALL
unset CDPATH
NL='
'
has_stat=
! command -v stat >/dev/null || has_stat=1

# NUMBER PATH MOST: kind, digest (of what has at most so many bytes), mode, owner and group by number, size, time, names.
look_at_file() {
  if [ -L "$2" ]; then echo "$1 o"; return; fi
  if [ ! -e "$2" ]; then
    if hidden "$2"; then echo "$1 ?"; else echo "$1 -"; fi
    return
  fi
  if [ ! -f "$2" ]; then echo "$1 o"; return; fi
  if ! [ -r "$2" ] || ! attributes "$2"; then echo "$1 ?"; return; fi
  sha=-
  if [ "$size" -le "$3" ]; then
    sha=$(sha256sum <"$2") || { echo "$1 ?"; return; }
    sha=${sha%% *}
  fi
  echo "$1 f $sha $mode $uid $gid $size $time $names"
} 2>/dev/null

# Is there a folder on the way that we may not pass?
hidden() {
  above=${1%/*}
  while [ "$above" ] && [ ! -e "$above" ]; do above=${above%/*}; done
  [ "$above" ] && [ -d "$above" ] && [ ! -x "$above" ]
}

attributes() {
  if [ "$has_stat" ]; then
    set -- $(stat -c '%a %u %g %s %Y %U %G' "$1")
    [ $# -ge 7 ] || return 1
    mode=$1 uid=$2 gid=$3 size=$4 time=$5 names="$6 $7"
    [ $# = 7 ] || names="- -" # a name of several words
  else
    set -- $(ls -ldn "$1")
    [ $# -ge 5 ] || return 1
    octal "$1"
    uid=$3 gid=$4 size=$5 time=- names="- -"
  fi
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

# NUMBER LINK HOME: the commit of the tree a link leads to, if that lies directly in the folder of our trees.
look_at_tree() {
  commit=- time=-
  [ ! -L "$2" ] || {
    tree=$(cd -P "$2" && pwd -P && echo .) && home=$(cd -P "$3" && pwd -P && echo .) &&
      [ "${tree%/*}" = "${home%"$NL."}" ] && read -r commit <"$2/REVISION"
    [ ! "$has_stat" ] || time=$(stat -c %Y "$2/REVISION")
  }
  echo "$1 t ${commit:--} ${time:--}"
} 2>/dev/null
