# Becomes the step: one process number from the gate to the end of the step. Parameters: the run
# folder, the key, the supervisor (number, birth), nonce, digest, umask, the text that takes the
# step's line, boot. Standard input is the payload.

# See gl_lead in start.sh.
exec 2>&4 4>&-
trap : PIPE
gl_i=$5 gl_k=$1/$2
gl_self || exit 73
# A setsid that forked would be waited for in vain.
[ "$gl_pp" = "$3" ] || exit 77
gl_t=lone gl_f=no
if [ "$gl_g" = "$gl_mp" ]; then gl_t=run gl_f=yes; fi
gl_clock
gl_boot=$9
gl_r="$gl_mp $gl_mb $gl_boot $5 $6 $gl_t $3 $4 $gl_up"
echo "$gl_r" 2>/dev/null >"$gl_k.g.$gl_u"
gl_l=
[ -f "$gl_k.g.$gl_u" ] && read -r gl_l <"$gl_k.g.$gl_u"
[ "$gl_l" = "$gl_r" ] || exit 74
#CP run1
# The record holds our number and birth: if it is in place, it is ours, whatever became of the
# answer on its way from a file server.
ln "$gl_k.g.$gl_u" "$gl_k.x" 2>/dev/null || {
  [ -f "$gl_k.x" ] || exit 76
  read -r gl_l <"$gl_k.x"
  [ "$gl_l" = "$gl_r" ] || exit 75
}
#CP run2
gl_sync "$1" "$gl_k.x"
#CP run3
# A run is closed by the marker first, then by a look at its gates: one of the two sees the other.
if [ -f "$1/closed" ]; then
  echo "rc=void out=0 err=0 up=$gl_up ." 1<>"$gl_k.st.$3.$4"
  exit 78
fi
gl_say started "pid=$gl_mp" "born=$gl_mb" "boot=$gl_boot" "group=$gl_f" "sync=$gl_sy" "up=$gl_up"
#CP run4
umask "$7"
exec >>"$gl_k.out" 2>>"$gl_k.err"
#CP run5
# This very shell takes the step, with nothing of ours in it; one that had to change how it parts
# words makes room for a new one.
[ -r /proc/self/stat ] || exec sh -c "$8"
trap - PIPE
eval "set --;unset -f gl_say gl_die gl_anon gl_who gl_is gl_self gl_clock gl_now gl_sync gl_nap;unset gl_i gl_kn gl_k gl_l gl_n gl_s gl_t gl_g gl_b gl_pp gl_mp gl_mb gl_u gl_f gl_r gl_up gl_boot gl_sy;$8"
