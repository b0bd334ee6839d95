# Delivering files: all that differ are put beside their places and judged there; only when all are good they are renamed into place.
#
# After this text stands one `deliver` line for each file, and at last `place_all STAMP`. The contents come on standard
# input, one after the other.

count=0

# PATH OWNER GROUP USER MODE SIZE SHA256 BACKUP VALIDATE
deliver() {
  subject=$1 wanted_mode=$5 size=$6 sha=$7
  file=${1##*/} folder=${1%/*}
  count=$((count + 1))
  ids_of "$2" "$3" "$4"
  enter "$folder"
  look "$1" "${2:-${4:-$uid}}:${3:-$gid}"
  eval "path_$count=\$1 news_$count=\$news backup_$count=\$8 validate_$count=\$9 at_$count="
  if [ "$news" ]; then
    stage_file
    eval "at_$count=$stages"
  else
    take >/dev/null
  fi
}

# PATH OWNER: what will be new of the file, empty for nothing.
look() {
  news="written $1"
  if [ -L "./$file" ]; then fail "it is a symbolic link"; fi
  if [ ! -e "./$file" ]; then news="$news (new)"; return; fi
  if [ -d "./$file" ]; then fail "it is a folder"; fi
  if [ ! -f "./$file" ]; then fail "it is not a regular file"; fi
  attributes "./$file" && [ -r "./$file" ] && now=$(head_of "./$file" | sha256sum) || fail "it cannot be read"
  [ "${now%% *}" = "$sha" ] || return 0
  news=
  [ "$its_uid:$its_gid" = "$uid:$gid" ] || news="owner of $1 $its_names -> $2"
  [ "$mode" = "$wanted_mode" ] || news="${news:+$news$NL}mode of $1 $mode -> $wanted_mode"
} 2>/dev/null

# One byte more than is wanted tells a larger file apart, however large it is.
head_of() { dd if="$1" bs=$((size + 1)) count=1 2>/dev/null; }

# The next file of standard input, which is a file itself: one read gives all.
take() { [ "$size" = 0 ] || dd bs="$size" count=1 2>/dev/null; }

stage_file() {
  kept=$file
  open_stage .ctl-new-
  ( set -C; take >"./$kept" ) 2>/dev/null
  now=$(sha256sum <"./$kept") 2>/dev/null
  [ "${now%% *}" = "$sha" ] || fail "no room, or it did not arrive whole"
  attributes "./$kept"
  [ "$its_uid:$its_gid" = "$uid:$gid" ] || chown "$uid:$gid" "./$kept" 2>/dev/null || fail "cannot give it to $uid:$gid"
  chmod "$wanted_mode" "./$kept" || fail "cannot give it the mode $wanted_mode"
}

# STAMP
place_all() {
  stamp=$1
  empty_spool
  each judge
  each write_out
  placed=1
  each place
}

each() {
  number=0
  while [ $number -lt $count ]; do
    number=$((number + 1))
    eval "subject=\$path_$number news=\$news_$number backup=\$backup_$number validate=\$validate_$number at=\$at_$number"
    file=${subject##*/}
    "$1"
  done
}

# Ask the command of the file, with the file's present path in place of %s.
judge() {
  [ "$at" ] && [ "$validate" ] || return 0
  eval "staged=\$stage_$at/\$file"
  quote_staged
  command= rest=$validate
  while :; do
    case $rest in *%s*) ;; *) break ;; esac
    command=$command${rest%%"%s"*}$staged rest=${rest#*"%s"}
  done
  said=$(cd "$began"; umask 022; exec sh -c "$command$rest" 2>&1 </dev/null) && return
  code=$?
  [ ! "$said" ] || say "$said"
  fail "its validate command ended with code $code; nothing was changed"
}

# People write '%s' as well as %s: only what needs quotes gets them.
quote_staged() {
  case $staged in *[!A-Za-z0-9./_-]*) ;; *) return ;; esac
  quoted= rest=$staged
  while :; do
    case $rest in *\'*) ;; *) break ;; esac
    quoted=$quoted${rest%%\'*}"'\\''" rest=${rest#*\'}
  done
  staged="'$quoted$rest'"
}

write_out() { [ ! "$at" ] || { reopen_stage "$at"; flush "./$file"; }; }

place() {
  if [ ! "$at" ]; then say "unchanged $subject"; return; fi
  reopen_stage "$at"
  [ ! -L "../$file" ] || fail "it is a symbolic link now"
  [ "$backup" != yes ] || [ ! -f "../$file" ] || keep_old
  rename "./$file" "../$file" || fail "cannot rename it into place"
  flush ..
  say "$news"
}

# The old file keeps its inode under another name; the five youngest are kept.
keep_old() {
  old=../$file.$stamp.bak
  [ -e "$old" ] || ln "../$file" "$old" 2>/dev/null || fail "cannot keep the old one as ${old#../}"
  set -- "../$file".[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]T[0-9][0-9][0-9][0-9][0-9][0-9]Z.bak
  while [ $# -gt 5 ]; do
    rm -f "$1"
    shift
  done
}

began=$PWD
begin
need sha256sum dd mkdir rmdir mv rm chmod chown ln
