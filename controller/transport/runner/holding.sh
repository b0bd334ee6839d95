# Holding attempts, and letting them go on: by the freezer of their cgroup, else by signals.
#
# In attempts/ID/: held (since when, while it is held), holder (which pause was the last), rested (how long it was held
# before). Times are hundredths of a second since the boot.

uptime() { { read -r now rest; } </proc/uptime; now=${now%.*}${now#*.}; }

# id seconds (0: until somebody lets it go on)
do_pause() {
  find_running || return
  uptime
  once "$A/held" "$now" || : # held already: from now on this pause says for how long
  put "$A/holder" "$$.$r"
  hold_tree
  [ "$seconds" = 0 ] || ( release_later "$$.$r" & )
  reply "phase=running"
}

# id
do_resume() {
  find_running || return
  let_go || thaw # who died while it let go may have left it held
  reply "phase=running"
}

find_running() {
  A=$base/attempts/$id sure=1
  phase_of
  group=${cgroup:+$cgroup/$id}
  [ "$phase" != running ] || return 0
  reply "phase=$phase"
  return 1
}

can_freeze() { [ "$group" ] && [ -f "$group/cgroup.freeze" ]; }

# A process that was being started meanwhile is found in the next round.
hold_tree() {
  if can_freeze; then echo 1 >"$group/cgroup.freeze"; return; fi
  before= rounds=0
  while members && [ "$found" != "$before" ] && [ $rounds -lt 20 ]; do
    kill -STOP $found
    before=$found rounds=$((rounds + 1))
  done
} 2>/dev/null

thaw() {
  if can_freeze; then echo 0 >"$group/cgroup.freeze"; else ! members || kill -CONT $found; fi
} 2>/dev/null

# Exactly one of those who try counts the time.
let_go() {
  mv "$A/held" "$A/let.go" || return 1
  uptime
  rested=0
  read -r since <"$A/let.go" || since=$now
  [ ! -s "$A/rested" ] || read -r rested <"$A/rested"
  put "$A/rested" "$((rested + now - since))"
  thaw
} 2>/dev/null

# A later pause has another holder, and this one nothing more to say.
release_later() {
  exec >/dev/null 2>&1 </dev/null
  trap '' HUP
  sleep "$seconds"
  read -r last <"$A/holder"
  [ "$last" != "$1" ] || let_go
}

# What the attempt was held is not counted as its time: wait as much longer.
wait_out() {
  given=0
  while :; do
    while [ -f "$A/held" ] && [ ! -f "$A/exit" ]; do nap 0.5; done
    rested=0
    [ ! -s "$A/rested" ] || read -r rested <"$A/rested"
    [ "$rested" -gt "$given" ] || return 0
    sleep $(((rested - given + 99) / 100)) 3>&- &
    given=$rested
    wait $!
    [ -f "$A/claim" ] && [ ! -f "$A/exit" ] || exit
    [ ! -f "$A/code" ] || { linger; exit; }
  done
} 2>/dev/null
