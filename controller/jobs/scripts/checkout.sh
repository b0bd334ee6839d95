# Delivering a tree: it is unpacked in a private folder, renamed when it is whole, and only then the link is switched to it.
#
# After this text stands one `check_out` line. The tree comes on standard input as a tar.

# PATH RELEASES TREE USER
check_out() {
  subject=$1 path=$1 releases=$2 tree=$3
  ids_of '' '' "$4"
  if [ "$releases" = 1 ]; then
    link=${path##*/}
    home=.$link.ctl
    enter "${path%/*}"
    judge_link
  else
    link=current home=releases
    not_a_link_of_ours
    enter "$path"
    judge_folder
  fi
  place=$here
  open_home
  [ -d "./$tree" ] || unpack
  empty_spool
  into "$place" "${place:-/}" || fail "$place was changed by somebody else"
  switch
  say "checked out ${tree%%-*} to $path"
  prune
}

# A link that leads into our own folder, an empty folder, or nothing may be replaced.
judge_link() {
  if [ -L "./$link" ]; then
    leads_into "./$link" "$here/$home" || fail "it is a symbolic link that leads elsewhere; remove it and apply again"
  elif [ -d "./$link" ]; then
    holds_nothing "./$link" || fail "it is a folder that holds other things; move it away (mv $path $path.old) and apply again"
  elif [ -e "./$link" ]; then
    fail "it is a file; move it away and apply again"
  fi
}

# LINK FOLDER: does it lead to something directly in there, even if that is gone?
leads_into() {
  if [ -d "$1" ]; then
    ( cd -P "$1" && where && [ "${here%/*}" = "$2" ] )
    return
  fi
  target=$(ls -ld "$1")
  case ${target#*"$1 -> "} in "${2##*/}"/*) ;; *) return 1 ;; esac
} 2>/dev/null

holds_nothing() {
  for one in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    [ ! -e "$one" ] && [ ! -L "$one" ] || return 1
  done
}

not_a_link_of_ours() {
  above=${path%/*} one=${path##*/}
  [ ! -L "$path" ] || ! leads_into "$path" "$(cd -P "${above:-/}" && pwd -P)/.$one.ctl" ||
    fail "it is the link of a checkout with one release; remove the link (rm $path) and apply again"
}

judge_folder() {
  if [ -e ./releases/.ctl ] || holds_nothing .; then return; fi
  fail "it is a folder that holds other things; move it away (mv $path $path.old) and apply again"
}

# The folder of the trees belongs to whoever delivers, so that nobody else can put something there.
open_home() {
  [ -e "./$home" ] || [ -L "./$home" ] || ( umask 022; mkdir "./$home" ) || fail "cannot make the folder $here/$home"
  into "$here/$home" "./$home" && [ -O . ] ||
    fail "$place/$home belongs to somebody else; move it away and apply again"
  [ -e ./.ctl ] || true >./.ctl
  chmod 644 ./.ctl
}

unpack() {
  open_stage .new-
  mkdir ./tree
  ( umask 022; cd ./tree && tar -xof - ) || fail "the tree cannot be unpacked: no room, or it did not arrive whole"
  [ -f ./tree/REVISION ] || fail "the tree did not arrive whole"
  chmod 755 ./tree
  [ "$uid:$gid" = "$my_uid:$my_gid" ] || chown -hR "$uid:$gid" ./tree || fail "cannot give it to $uid:$gid"
  [ ! "$has_sync" ] || sync -f ./tree 2>/dev/null || sync
  rename ./tree "../$tree" || fail "cannot rename the tree into place"
}

switch() {
  fresh=.ctl-link-$CTL_JOB-$$
  ln -s "$home/$tree" "./$fresh" || fail "cannot make a link in $place"
  [ -L "./$link" ] || [ ! -d "./$link" ] || rmdir "./$link"
  if ! rename "./$fresh" "./$link"; then
    rm -f "./$fresh"
    [ "$over" ] || fail "the server's mv has no -T, so the link cannot be switched at once; install coreutils"
    fail "cannot switch the link $place/$link"
  fi
  placed=1
  flush .
}

# Trees by when they were switched to, the youngest last; those that nobody listed are the oldest.
prune() {
  into "$place/$home" "./$home" && [ -O . ] || return 0
  order=
  ! [ -f ./.order ] || while read -r one; do [ "$one" = "$tree" ] || [ ! -d "./$one" ] || order="$order $one"; done <./.order
  order="$order $tree"
  set -- $order
  while [ $# -gt "$releases" ]; do shift; done
  printf '%s\n' "$@" >|./.order.new && mv -f ./.order.new ./.order
  for one in ./.old/*; do [ ! -e "$one" ] || rm -rf "$one"; done
  for one in [0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]-*; do
    case " $* " in *" $one "*) continue ;; esac
    [ -d "./$one" ] && [ ! -L "./$one" ] || continue
    [ -d ./.old ] || mkdir ./.old || return 0
    mv "./$one" "./.old/$one" && rm -rf "./.old/$one" && say "removed the old release $one"
  done
  rmdir ./.old 2>/dev/null || :
}

begin
need tar ln mkdir rmdir mv rm chmod chown ls
