//! Go / no-go decisions, and work that only a person can do.

use crate::base::{Millis, RoleId, SafeText, StepId};
use crate::engine::{Choice, Criterion, Health, Judged, Readiness};
use crate::runbook::Require;

use super::{Lang, Say, choice, counted, ends, readiness, say};

pub(in crate::ui) const DECIDE: Say = say("decide", "请裁决");
pub(in crate::ui) const NO_PROBE: Say = say("This gate asks for no probe.", "此关口不要求探针。");

/// `GO or NO-GO?  g2  Switch?`
pub(in crate::ui) fn title(lang: Lang, id: &StepId, title: &str) -> String {
    both!(lang, "GO or NO-GO?  {id}  {title}", "放行还是否决？  {id}  {title}")
}

pub(in crate::ui) fn checklist(lang: Lang, ticked: usize, all: usize) -> String {
    both!(
        lang,
        "Checklist {ticked}/{all}   Space or the digit ticks",
        "检查单 {ticked}/{all}   空格或数字键勾选"
    )
}

// The table of probes.
pub(in crate::ui) const EVIDENCE: Say = say("  Evidence", "  证据");
pub(in crate::ui) const SAYS: Say = say("says", "状态");
pub(in crate::ui) const VALUE: Say = say("value", "数值");
pub(in crate::ui) const AGE: Say = say("age", "时效");
pub(in crate::ui) const NEVER: Say = say("never", "从未");
pub(in crate::ui) const IS_WAIVED: Say = say("WAIVED", "已豁免");

// The facts.
pub(in crate::ui) fn time(
    lang: Lang,
    (end, closes): (&str, &str),
    left: &str,
    asked: Option<Millis>,
) -> String {
    let asked = asked.map(|asked| both!(lang, " (asked: {asked})", " (要求 {asked})"));
    let asked = asked.unwrap_or_default();
    both!(
        lang,
        "ends about {end}, window {closes}: {left} left{asked}",
        "约 {end} 结束，窗口至 {closes}：余 {left}{asked}"
    )
}

pub(in crate::ui) fn time_alone(lang: Lang, end: &str) -> String {
    both!(lang, "ends about {end}; no window", "约 {end} 结束；无窗口")
}

pub(in crate::ui) fn open(lang: Lang, skipped: &str, notes: usize) -> String {
    both!(
        lang,
        "skipped or accepted: {skipped}; notes: {notes}",
        "跳过或接受失败：{skipped}；备注：{notes}"
    )
}

pub(in crate::ui) fn decided_at(lang: Lang, is: Choice, at: &str) -> String {
    let is = choice(is).to(lang);
    both!(lang, "{is} at {at}", "{at} {is}")
}

pub(in crate::ui) fn ready(lang: Lang, judged: &Judged, ready: &Readiness) -> String {
    let word = if judged.holds { say("yes", "是") } else { say("NO", "否") }.to(lang);
    let says = says(lang, judged, ready);
    both!(lang, "{word}, to roll back: {says}", "{word}：{says}")
}

/// What was seen of a criterion, in the language of the screen where golive itself says it.
fn says(lang: Lang, judged: &Judged, ready: &Readiness) -> String {
    match (lang, &judged.criterion) {
        (Lang::Zh, Criterion::RollbackReady) => readiness::why(lang, ready),
        (Lang::En, _) | (Lang::Zh, Criterion::Probe(_) | Criterion::Margin) => {
            judged.says.to_string()
        }
    }
}

/// What a criterion is called: its name where it is a probe.
pub(in crate::ui) fn criterion(lang: Lang, criterion: &Criterion) -> String {
    match (lang, criterion) {
        (_, Criterion::Probe(probe)) => probe.to_string(),
        (Lang::En, other) => other.word().to_owned(),
        (Lang::Zh, Criterion::Margin) => "窗口余量".to_owned(),
        (Lang::Zh, Criterion::RollbackReady) => "回滚就绪".to_owned(),
    }
}

pub(in crate::ui) fn waiver(
    lang: Lang,
    of: &Criterion,
    (until, left): (&str, &str),
    (by, reason): (&str, &SafeText),
) -> String {
    let of = criterion(lang, of);
    both!(
        lang,
        "{of} until {until} ({left} left), by {by}: {reason}",
        "{of} 至 {until} (剩 {left})，{by}：{reason}"
    )
}

/// Why a GO has to be explained.
pub(in crate::ui) fn against(
    lang: Lang,
    judged: &Judged,
    (health, asked): (Health, Millis),
    ready: &Readiness,
) -> String {
    match &judged.criterion {
        Criterion::Probe(probe) => {
            let says = ends::health(health).to(lang);
            both!(lang, "{probe} is {says}", "{probe} {says}")
        }
        Criterion::Margin => both!(
            lang,
            "less than {asked} of the window is left at the end",
            "结束时窗口余量不足 {asked}"
        ),
        Criterion::RollbackReady => {
            let says = says(lang, judged, ready);
            both!(lang, "a rollback is not ready: {says}", "回滚未就绪：{says}")
        }
    }
}

// The poll.
pub(in crate::ui) const ASKED: Say = say("    asked", "    角色");
pub(in crate::ui) const WHO: Say = say("who", "何人");
pub(in crate::ui) const ANSWER: Say = say("answer", "答复");
pub(in crate::ui) const AT: Say = say("at", "时刻");
pub(in crate::ui) const WORDS: Say = say("words", "原话");
pub(in crate::ui) const AGAIN: Say = say("again", "再问");
pub(in crate::ui) const TOO_LONG_AGO: Say = say("too long ago", "答复已过期");
pub(in crate::ui) const SIGNED: Say = say("signed ", "已签名 ");
pub(in crate::ui) const NOT_SIGNED: Say = say("NOT SIGNED ", "未签名 ");
pub(in crate::ui) const NOT_YET: Say = say("not yet", "未定");

pub(in crate::ui) fn decision_of_driver(
    lang: Lang,
    cursor: &str,
    chosen: Option<Choice>,
) -> String {
    let chosen = chosen.map_or(NOT_YET, choice).to(lang);
    both!(lang, "{cursor}   DECISION of the driver: {chosen}", "{cursor}   操作员裁决：{chosen}")
}

pub(in crate::ui) fn rule(lang: Lang, require: Require, asked: usize, lasts: &str) -> String {
    let rule = match require {
        Require::All => both!(
            lang,
            "all {asked} have to say GO; one NO-GO stops it",
            "{asked} 个角色须全部放行；一个否决即止"
        ),
        Require::AtLeast(number) => {
            both!(
                lang,
                "{number} of {asked} have to say GO",
                "{asked} 个角色中须有 {number} 个放行"
            )
        }
    };
    both!(
        lang,
        "Rule: {rule}. An answer counts for {lasts}.",
        "规则：{rule}。答复 {lasts} 内有效。"
    )
}

/// `GO 2  NO-GO 0  wait 1`
pub(in crate::ui) fn counts(lang: Lang, go: usize, no_go: usize, wait: usize) -> String {
    both!(lang, "GO {go}  NO-GO {no_go}  wait {wait}", "放行 {go}  否决 {no_go}  待答 {wait}")
}

pub(in crate::ui) fn unheard(
    lang: Lang,
    (go, needed): (usize, usize),
    no: &[&str],
    next: Option<&RoleId>,
) -> String {
    let mut said = both!(lang, "{go} of {needed} said GO", "已放行 {go}/{needed}");
    if !no.is_empty() {
        let no = no.join(" ");
        said = both!(lang, "{said}, {no} said NO-GO", "{said}，{no} 否决");
    }
    match next {
        Some(role) => both!(lang, "{said}, {role} is asked next", "{said}，下一个询问 {role}"),
        None => said,
    }
}

// The rows that are always seen.
pub(in crate::ui) const ASK_ROLE: Say = say(
    "g it says GO   n NO-GO   w GO with words   o somebody else",
    "g 放行   n 否决   w 附言放行   o 换人",
);
pub(in crate::ui) const CHOOSE: Say =
    say("[ ]  g GO   n NO-GO, then y", "[ ]  g 放行   n 否决，再按 y");
pub(in crate::ui) const DECISION: Say = say("Decision ", "裁决 ");
pub(in crate::ui) const ESC_NOTHING_DECIDED: Say =
    say("   Esc back, nothing decided", "   Esc 返回，不作裁决");

pub(in crate::ui) fn chosen(lang: Lang, is: Choice, needs_reason: bool) -> String {
    let is = choice(is).to(lang);
    if needs_reason {
        both!(lang, "[ {is} ]  y goes on to the reason", "[ {is} ]  按 y 去写原因")
    } else {
        both!(lang, "[ {is} ]  y decides", "[ {is} ]  按 y 裁决")
    }
}

pub(in crate::ui) fn not_go(lang: Lang, unheard: &str) -> String {
    both!(lang, "GO is not possible: {unheard}.", "还不能放行：{unheard}。")
}

pub(in crate::ui) fn needs_reason(lang: Lang, against: &[String]) -> String {
    let against = against.join(say(", ", "，").to(lang));
    both!(
        lang,
        "GO needs a written reason, or W waives for a while: {against}.",
        "放行须写明原因，或按 W 暂时豁免：{against}。"
    )
}

pub(in crate::ui) fn items_open(lang: Lang, waived: bool, left: usize) -> String {
    let order = if waived {
        say("Every criterion holds or is waived", "各项条件均已满足或已豁免")
    } else {
        say("Health, time and the way back are in order", "健康、时间、回滚均无问题")
    };
    let one = ("item of the checklist is", "items of the checklist are");
    let (order, items) = (order.to(lang), counted(lang, left, one, "项"));
    both!(lang, "{order}; {items} open.", "{order}；检查单还剩 {items}。")
}

pub(in crate::ui) const ALL_HOLD: Say = say("Every criterion holds.", "各项条件均已满足。");

pub(in crate::ui) fn hold_or_waived(lang: Lang, waived: &str) -> String {
    both!(
        lang,
        "Every criterion holds, or is waived: {waived}.",
        "各项条件均已满足，或已豁免：{waived}。"
    )
}

/// Who is asked, before the keys.
pub(in crate::ui) fn asked(lang: Lang, role: &RoleId, person: &SafeText) -> String {
    both!(lang, "{role} ({person}): ", "{role} ({person})：")
}

// Work by hand.
pub(in crate::ui) const SIGN_OFF: Say = say("sign-off", "签核");
pub(in crate::ui) const SIGN_EVIDENCE: Say = say(
    "  sign it off, with the evidence: a link, or what was seen      ",
    "  签核，附证据：链接或所见情况      ",
);
pub(in crate::ui) const SIGN_WORDS: Say =
    say("  sign it off, with your words      ", "  签核，写下说明      ");
pub(in crate::ui) const ESC_STAYS_OPEN: Say = say("  back, it stays open", "  返回，保持打开");
pub(in crate::ui) const MANUAL_KEYS: Say = say(
    "golive runs nothing here. d done by hand   s skip   X stop",
    "golive 在此不执行命令。d 标记完成   s 跳过   X 中止",
);

pub(in crate::ui) fn by_hand(lang: Lang, id: &StepId, title: &str) -> String {
    both!(lang, "BY HAND  {id}  {title}", "人工  {id}  {title}")
}

/// Where one act has to hold on several systems.
pub(in crate::ui) fn on_each(lang: Lang, names: &str) -> String {
    both!(
        lang,
        "{names}: done once it is verified on each of them",
        "{names}：在每一个上都验证后才算完成"
    )
}

pub(in crate::ui) fn manual_plan(lang: Lang, takes: &str, open: Option<&str>) -> String {
    let open = open.map(|open| both!(lang, ", open for {open}", "，已打开 {open}"));
    let open = open.unwrap_or_default();
    both!(lang, "about {takes}{open}", "约 {takes}{open}")
}
