# Attaches to a step: its state, its bytes from the offsets, and, while it runs, what follows.

gl_mode=attach gl_pump=
exec 3<&0
umask 077
gl_header
gl_open "$gl_void"
[ "$gl_void" = 0 ] || [ -f "$gl_k.x" ] || gl_bar
gl_watch
gl_stay
