# Stops a step: one that has not begun never will; one that runs is asked, then killed, then looked
# for. Its second line, if become=1, is the first line of the step: a shell of the step's user that
# takes a line. (Some kill programs take the number of a small group for that of a signal; its shell
# does not.)

gl_mode=cancel
umask 077
gl_header
gl_bw=
if [ "$gl_become" = 1 ]; then
  IFS= read -r gl_bw || gl_die TRUNC the connection ended within the words
fi
if [ "$gl_rid" ]; then gl_open 0; else gl_open 1; fi
[ -f "$gl_k.x" ] || gl_bar
gl_state

# gl_same: the step itself lives, or one of its group bears its mark: the number is no stranger's.
gl_same() {
  gl_is "$gl_x1" "$gl_x2" && return 0
  # A number that lives again is a stranger. (A zombie still holds it.)
  if gl_who "$gl_x1"; then [ "$gl_b" = "$gl_x2" ] || return 1; fi
  [ "$gl_x6" = run ] || return 1
  set +f
  for gl_p in /proc/[0-9]*; do
    gl_who "${gl_p#/proc/}" || continue
    [ "$gl_g" = "$gl_x1" ] || continue
    if gl_marked "$gl_p"; then set -f; return 0; fi
  done
  set -f
  return 1
}

# gl_marked FOLDER: the process of this folder of /proc bears the mark of this step.
gl_marked() { tr "\000" "\012" 2>/dev/null <"$1/environ" | grep -qx "GLKEY=$gl_run/$gl_key"; }

# gl_signal NAME: to the whole group, in the one spelling that no shell takes for everybody.
gl_signal() {
  [ "$gl_x1" -gt 1 ] 2>/dev/null && gl_same || return 0
  gl_t="kill -s $1 -- -$gl_x1"
  [ "$gl_x6" = run ] || gl_t="kill -s $1 $gl_x1"
  eval "$gl_t" 2>/dev/null
  [ -z "$gl_bw" ] || echo "$gl_t" | gl_other
}

# gl_other: has the shell of the step's user take a line, by the very words that began the step.
gl_other() { (eval "$gl_bw") >/dev/null 2>&1; }

# gl_gone TENTHS: waits for the group to be gone and the end to be recorded.
gl_gone() {
  gl_n=0
  while gl_state; gl_living ""; [ $gl_grp = 1 ] || [ $gl_st = RUNNING ]; do
    [ $gl_n -lt "$1" ] || return 1
    gl_nap
  done
}

case $gl_st in
  RUNNING|ORPHAN|EXITED|LOST)
    gl_living ""
    if [ $gl_grp = 1 ] || [ $gl_st = RUNNING ]; then
      true 2>/dev/null >>"$gl_k.cancel"
      #CP cancel1
      gl_signal TERM
      if gl_gone $((gl_grace*10)); then :; else
        #CP cancel2
        gl_signal KILL
        gl_gone 20
      fi
    fi ;;
esac
gl_state
gl_report
gl_living say
# Who left the group is named, not killed: a service that the step was there to start may be among them.
if [ -r /proc/self/stat ] && [ "$gl_x6" = run ]; then
  set +f
  for gl_p in $(grep -ls "GLKEY=$gl_run/$gl_key" /proc/[0-9]*/environ 2>/dev/null); do
    gl_p=${gl_p%/environ}
    gl_who "${gl_p#/proc/}" || continue
    [ "$gl_g" = "$gl_x1" ] && continue
    case $gl_s in
      Z|X|x) continue ;;
    esac
    gl_marked "$gl_p" && gl_name say strayed "${gl_p#/proc/}"
  done
fi
gl_say done
