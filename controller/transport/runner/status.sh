# What is known of an attempt.

# The recorded end of $A, complete or not at all.
read_end() {
  end=
  [ -f "$A/exit" ] && read -r end <"$A/exit"
  case $end in *" .") end=${end%" ."} ;; *) return 1 ;; esac
}

phase_of() {
  phase=none
  [ -f "$A/claim" ] || return 0
  phase=ended
  ! read_end || return 0
  phase=interrupted was=
  { read -r was <"$A/claim"; } 2>/dev/null
  [ "${was:-$boot}" = "$boot" ] || return 0
  for pause in 0.05 0.2 0.5 1; do
    [ ! -s "$A/pid" ] || break
    nap $pause
  done
  { read -r pump born_at <"$A/pid"; } 2>/dev/null || return 0
  { read -r leader <"$A/pg"; } 2>/dev/null || leader=0
  if alive "$pump" "$born_at" || lingers; then phase=running; return; fi
  ! read_end || phase=ended
}

# The pump has gone but the leader may still be about to record the end.
lingers() {
  for pause in 0.1 0.5 1 1; do
    [ -f "$A/code" ] && [ ! -f "$A/exit" ] || return 1
    nap $pause
  done
  return 1
}

# id: without forking, for those who ask often
do_phase() {
  A=$base/attempts/$id
  say_status
}

say_status() {
  phase_of
  tell_held
  reply "phase=$phase fresh=0 $held$end"
}

# id: with the digest of what was kept whole, and the outputs as the body.
do_status() {
  A=$base/attempts/$id
  phase_of
  incomplete= outputs_file=
  [ ! -s "$A/incomplete" ] || read -r incomplete <"$A/incomplete"
  if [ "$phase" = running ]; then
    for file in "$A"/o.*; do :; done
    [ ! -f "$file" ] || { size_of "$file"; unpad "${file##*/o.}"; end="length=$((number + counted))"; }
  fi
  if [ "$phase" = ended ]; then
    case $end in *" sha=- "*) digest_kept ;; esac
    case $end in *" outputs=1 "*)
      { read -r rest; read -r job; } <"$A/claim"
      outputs_file=$base/jobs/$job/$id.output
    esac
  fi
  tell_held
  tell_status 5<"${outputs_file:-/dev/null}" || { outputs_file=; tell_status; }
} 2>/dev/null

# Is it held, and by what?
tell_held() {
  held=
  [ "$phase" = running ] && [ -f "$A/held" ] || return 0
  held="paused=1 means=signals "
  [ ! -f "${cgroup:--}/${A##*/}/cgroup.freeze" ] || held="paused=1 means=cgroup "
}

tell_status() {
  counted=0
  [ -z "$outputs_file" ] || size_of /dev/fd/5 || counted=0
  [ "$counted" -le 65536 ] || counted=65536
  reply "phase=$phase fresh=0 bytes=$counted incomplete=${incomplete:--} $held$end"
  [ "$counted" = 0 ] || promised 0 "$counted"
  return 0
}

digest_kept() {
  case $tools, in *,sha256sum,*) ;; *) return ;; esac
  if [ ! -s "$A/sha" ]; then
    [ ! -f "$A/total" ] && [ -f "$A/o.000000000000000" ] || return 0
    length=${end#*length=} length=${length%% *}
    for file in "$A"/o.*; do
      unpad "${file##*/o.}"
      [ "$number" -lt "$length" ] || [ "$length" = 0 ] || continue
      size_of "$file"
      [ $((number + counted)) -le "$length" ] || counted=$((length - number))
      piece 0 "$counted" 5<"$file"
    done | sha256sum >|"$A/sha"
  fi
  read -r sha rest <"$A/sha"
  end="${end%%sha=-*}sha=$sha${end#*sha=-}"
}
