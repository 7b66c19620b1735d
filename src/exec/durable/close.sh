# Closes a run: nothing of it can start any more, its outputs go, its gates stay as tombstones.

gl_mode=close
umask 077
gl_header
gl_open 0
[ -d "$gl_r" ] || mkdir -p "$gl_r" 2>/dev/null || gl_die NOSPC "cannot make $gl_r"
true 2>/dev/null >>"$gl_r/closed" || gl_die NOSPC "cannot write in $gl_r"
#CP close1
gl_sync "$gl_r" "$gl_r/closed"
set +f
for gl_p in "$gl_r"/*.x; do
  [ -f "$gl_p" ] || continue
  gl_k=${gl_p%.x}
  gl_state
  gl_living ""
  set +f
  if [ $gl_grp = 1 ] || [ $gl_st = RUNNING ]; then
    rm -f "$gl_r/closed"
    gl_die BUSY "${gl_k##*/} is $gl_st and runs"
  fi
done
#CP close2
rm -f "$gl_r"/*.in.* "$gl_r"/*.g.* "$gl_r"/*.v.* "$gl_r"/*.n.* "$gl_r"/*.out "$gl_r"/*.err
# Tombstones of other runs that nobody can ask for any more. What a host keeps as a witness stays:
# a record may be doubted later than that. Only records of steps have a point in their name.
find "$gl_d/R" -name closed -mtime +30 2>/dev/null | while IFS= read -r gl_p; do
  gl_p=${gl_p%/closed}
  rm -f "$gl_p"/*.* "$gl_p/closed"
  rmdir "$gl_p" 2>/dev/null
done
gl_say done
