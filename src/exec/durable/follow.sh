# Sending what a step wrote, and waiting for its end.

# gl_send FILE OFFSET: the bytes from there on.
gl_send() {
  [ -s "$1" ] || return 0
  if [ "$2" = 0 ]; then cat "$1"
  elif tail -c "+$(($2+1))" "$1" 2>/dev/null; then :
  else dd bs=1 skip="$2" if="$1" 2>/dev/null
  fi
}

# gl_tails: sends what is written, as it is written.
gl_tails() {
  exec tail -c "+$((gl_o+1))" -f "$gl_k.out" 2>/dev/null &
  gl_ta=$! 
  exec tail -c "+$((gl_e+1))" -f "$gl_k.err" 1>&2 2>/dev/null &
  gl_te=$! 
  #CP pump1
}

# gl_pump FOLLOW: sends what is written once the client asks for it, or at once if FOLLOW is set,
# and once only: a step that is over before anybody has asked costs its host no process for it.
# Until the client closes its end. Its lines: follow, for a step that runs; rest, for one that has
# ended; an empty one is answered with the state. Runs beside the supervisor and is not needed by
# the step.
gl_pump() {
  gl_ta= gl_te=
  [ -z "$1" ] || gl_tails
  while read -r gl_l; do
    case $gl_l.$gl_ta in
      follow.) gl_tails ;;
      rest.)
        gl_ta=-
        gl_send "$gl_k.out" "$gl_o"
        gl_send "$gl_k.err" "$gl_e" >&2 ;;
      follow.*|rest.*) ;;
      *)
        gl_state
        gl_report ;;
    esac
  done
  #CP pump2
  [ -z "$gl_te" ] || kill -s TERM "$gl_ta" "$gl_te" 2>/dev/null
}

# gl_watch: for a step of another call: attaches a client, and says when the step has ended.
gl_watch() {
  gl_state
  gl_report
  case $gl_st in
    RUNNING|ORPHAN) ;;
    *)
      [ $gl_st = EXITED ] && gl_living say
      [ "$gl_pump" ] || gl_all
      return 0 ;;
  esac
  if [ -z "$gl_pump" ]; then
    gl_pump 1 <&3 3<&- &
    gl_pump=$! 
    exec 3<&- </dev/null
  fi
  while :; do
    if sleep 0.2 2>/dev/null; then :; else sleep 1; fi
    gl_state
    case $gl_st in
      RUNNING|ORPHAN) ;;
      *) break ;;
    esac
    gl_who "$gl_pump" || return 0
    case $gl_s in
      Z|X|x) return 0 ;;
    esac
  done
  gl_end
}

# gl_stay: until the client has closed its end.
gl_stay() { [ -z "$gl_pump" ] || wait "$gl_pump" 2>/dev/null; }

# gl_all: all there is of a step that does not run, and that this is all.
gl_all() {
  gl_send "$gl_k.out" "$gl_o"
  gl_send "$gl_k.err" "$gl_e" >&2
  gl_say done
}

# gl_end: what the end of a step is called, after the survivors of its group.
gl_end() {
  if [ $gl_st = EXITED ]; then
    gl_living say
    gl_size "$gl_k.out"
    gl_zo=$gl_z
    gl_size "$gl_k.err"
    gl_say end "rc=$gl_rc" "out=$gl_zo" "err=$gl_z" "up=$gl_up2"
  else gl_report
  fi
}
