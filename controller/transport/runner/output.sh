# Output: taken in as segments of files, bounded, and given out from any offset.

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
  tell_limits
  end="ending=$ending code=$code length=$1 sha=${sha:--} outputs=$outputs ${told}msg=$note"
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
