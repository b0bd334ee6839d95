# Limits of an attempt: held by its cgroup, or the attempt does not start.

# ROOT: which controllers reach our folder, or may be let into it. The kernel lets nothing into a branch that has members
# itself, but at the true root, which has no type.
find_controllers() {
  above= ours= member=
  { read -r above <"$1/cgroup.controllers"; read -r ours <"$cgroup/cgroup.controllers"; } 2>/dev/null
  [ ! -f "$1/cgroup.type" ] || ! read -r member <"$1/cgroup.procs" || above=
  for name in cpu memory pids io; do
    case " $above $ours " in *" $name "*) tools=$tools,limit-$name ;; esac
  done
} 2>/dev/null

# limits ("cpu=50000 memory=1048576 ..."): set them on $group; what cannot be held is named in `lacking`.
limit_group() {
  lacking=
  for one in $limits; do
    [ "$group" ] && [ -d "$group" ] && admit "${one%%=*}" && hold "${one%%=*}" "${one#*=}" || lacking="$lacking ${one%%=*}"
  done
} 2>/dev/null

# Let a controller into the groups of attempts.
admit() {
  is_in "$1" && return
  printf '+%s\n' "$1" >"${cgroup%/*}/cgroup.subtree_control"
  printf '+%s\n' "$1" >"$cgroup/cgroup.subtree_control"
  is_in "$1"
}
is_in() {
  inside=
  read -r inside <"$cgroup/cgroup.subtree_control"
  case " $inside " in *" $1 "*) return 0 ;; *) return 1 ;; esac
}

hold() {
  case $1 in
    cpu) printf '%s 100000\n' "$2" >"$group/cpu.max" ;;
    memory)
      printf '%s\n' "$2" >"$group/memory.max" || return
      # No swap beside it, and all of the attempt goes at once; kernels without these files go by memory.max alone.
      [ ! -f "$group/memory.swap.max" ] || printf '0\n' >"$group/memory.swap.max" || return
      [ ! -f "$group/memory.oom.group" ] || printf '1\n' >"$group/memory.oom.group"
      ;;
    pids) printf '%s\n' "$2" >"$group/pids.max" ;;
    io) hold_disks "$2" ;;
  esac
}

# Every disk that has something to read; none at all is nothing held.
hold_disks() {
  held_disks=
  for disk in /sys/block/*; do
    read -r blocks <"$disk/size" && read -r number <"$disk/dev" && [ "$blocks" != 0 ] || continue
    printf '%s rbps=%s wbps=%s\n' "$number" "$1" "$1" >"$group/io.max" || return
    held_disks=1
  done
  [ "$held_disks" ]
}

# How the limits of an attempt were held, for the record of its end.
tell_limits() {
  told=
  [ -n "$limits" ] && [ -z "$lacking" ] || return 0
  told="means=cgroup "
  ! grep -q '^oom_kill [1-9]' "$group/memory.events" || told="${told}oom=1 "
} 2>/dev/null
