# Probes: short commands that are not claimed and leave nothing behind.

# text shell envs workdir user timeout limit
do_probe() {
  [ "$user" != "$login" ] || user=
  id=probe.$$.$r ready=1 sure=1
  A=$base/incoming/$$.$r J=$base/jobs group= limits= lacking=
  mkdir "$A"
  printf '%s' "$text" >"$A/text"
  if [ "$user" ]; then
    chmod 711 "$base" "$base/jobs"
    true >"$J/$id.text"
    chown "$user" "$J/$id.text"
    printf '%s' "$text" >"$J/$id.text"
  fi
  ( probe & )
  envs= text=
}

watch_probe() {
  trap 'kill $!; exit' TERM
  sleep "$timeout" &
  wait $!
  trap '' TERM
  end_tree timeout
}

probe() {
  exec 3>&1 >/dev/null 2>&1 </dev/null
  {
    launch 2>&1 3>&- &
    c=$!
    watch_probe >/dev/null 3>&- &
    w=$!
    wait $c
    printf '%s\n' $? >"$A/code"
    kill $w
  } | {
    if [ "$fullblock" ]; then dd bs="$limit" count=1 iflag=fullblock; else dd bs=1 count="$limit"; fi >"$A/out"
    cat
  }
  code=126
  [ ! -s "$A/code" ] || read -r code <"$A/code"
  late=0
  [ ! -s "$A/why" ] || read -r late words <"$A/why"
  [ "$late" = start ] && printf '%s' "$words" >"$A/out"
  size_of "$A/out"
  slurped=
  [ "$counted" -gt 2000 ] || slurp "$A/out"
  inline=${#slurped}
  [ "$inline" = "$counted" ] || inline=0 slurped=
  rm -f "$J/$id.text"
  [ "$inline" != "$counted" ] || rm -rf "$A"
  printf '@%s %s code=%s why=%s size=%s bytes=%s file=%s\n%s' "$N" "$r" "$code" "$late" "$counted" "$inline" "$A" \
    "$slurped" >&3
}
