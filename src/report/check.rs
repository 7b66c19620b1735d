//! How to check a record without this program: a text that is also a shell script.

use crate::base::SessionId;
use crate::journal::Verdict;

/// `verify.txt`: says what the record is and how to check it with `sha256sum` and `jq` alone; as
/// `sh verify.txt` it does all it says, and exits with 1 where something is wrong.
pub fn verify_txt(session: &SessionId, verdict: &Verdict) -> String {
    SCRIPT
        .replace("@SESSION@", session.as_str())
        .replace("@LINES@", &verdict.lines.to_string())
        .replace("@HEAD@", &verdict.head)
}

const SCRIPT: &str = r#"# How to check the record of session @SESSION@
#
# You need a POSIX shell, sha256sum and jq. Either read on and do it by hand,
# or let this file do it:   sh verify.txt [AUDIT_FILE]
#
# audit.jsonl is the record: one decision is one line of JSON.
#
#   seal   SHA-256 of the line's own bytes before `,"seal":`
#   prev   SHA-256 of the whole line before, without its line end; in the first
#          line that of `golive-journal/1`, a line end, and the session's name
#   seq    the number of the line, from 1
#
# A wrong seal: that line was changed. A wrong prev: the line before was changed
# and sealed anew, or lines were cut, added or moved. A cut end shows only against
# a later head that somebody holds: when this file was written there were
# @LINES@ lines, and the last seal began with @HEAD@.
#
# One line by hand, the fifth:
#
#   sed -n 5p audit.jsonl | jq -r .seal
#   sed -n 5p audit.jsonl | sed 's/,"seal":.*//' | tr -d '\n' | sha256sum
#   sed -n 4p audit.jsonl | tr -d '\n' | sha256sum;  sed -n 5p audit.jsonl | jq -r .prev

audit=${1:-audit.jsonl}
hash() { set -- $(sha256sum); printf '%s' "$1"; }
bad=0
wrong() { printf 'WRONG: %s\n' "$1"; bad=1; }

number=0
head=
before=$(printf 'golive-journal/1\n%s' '@SESSION@' | hash)
exec 3< "$audit" || exit 1
while IFS= read -r line <&3; do
  number=$((number + 1))
  set -- $(printf '%s\n' "$line" | jq -r '.seq, .prev, .seal' 2> /dev/null)
  [ "$1" = "$number" ] || wrong "line $number says it is number $1"
  [ "$2" = "$before" ] || wrong "line $number does not follow the line before"
  [ "$3" = "$(printf '%s' "${line%,\"seal\":*}" | hash)" ] || wrong "line $number was changed"
  before=$(printf '%s' "$line" | hash)
  head=$3
done
[ -z "$line" ] || wrong "the last line has no end"
[ "$number" -ge @LINES@ ] || wrong "there were @LINES@ lines once, now there are $number"
if [ "$number" -eq @LINES@ ]; then
  case $head in
    @HEAD@*) ;;
    *) wrong "the last seal was @HEAD@ once" ;;
  esac
fi
printf '%s lines; the last seal is %s\n' "$number" "$head"

# What the steps printed is in output/, one file for each attempt and place that printed
# anything. The record has the digest of each, from the moment when it ended.

if [ -d output ]; then
  outputs=$(jq -r '.facts[] | select(.ev == "job-ended" and .transcript != null and .transcript.bytes > 0)
    | .job.key as $key | .transcript.digest + "  output/" + $key.step
      + (if $key.part == "action" then "" else "." + $key.part end)
      + "." + ($key.attempt | tostring)
      + "." + (.job.place | if type == "object" then .host else "local" end) + ".log"' "$audit"
    jq -r '.facts[] | select(.ev == "shell-ended" and .transcript != null and .transcript.bytes > 0)
    | .transcript.digest + "  output/@shell." + (.number | tostring) + "." + .host + ".log"' "$audit")
  [ -z "$outputs" ] || printf '%s\n' "$outputs" | sha256sum -c --quiet || bad=1
fi
[ "$bad" -eq 0 ] && echo "The record is as it was written."
exit "$bad"
"#;
