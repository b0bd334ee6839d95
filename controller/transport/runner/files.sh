# Files: those sent ahead, those fetched, and the artifacts of jobs.

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
