# Markers and locks of targets.
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
