//! The confirmation: what exactly will be done, where, and how it is undone.

use crate::base::StepId;
use crate::engine::{Part, RunKind};

use super::{Lang, Say, counted, hosts, kind, say, steps};

// The row that is always seen.
pub(in crate::ui) const WRONG_CODE: Say =
    say("wrong; new digits in a second", "不对；一秒后换新数字");
pub(in crate::ui) const TO_RUN_TYPE: Say = say("To run it, type:   ", "要执行，请输入：   ");
pub(in crate::ui) const NEW_DIGITS: Say = say("   new digits each time", "   每次数字不同");
pub(in crate::ui) const ESC_NOTHING_SENT: Say =
    say("  back, nothing is sent", "  返回，不发送任何命令");
pub(in crate::ui) const MORE_OF_START: Say = say(
    "v all of it   s skip   d done by hand   Enter does nothing, Esc goes back",
    "v 全部   s 跳过   d 人工完成   Enter 无作用，Esc 返回",
);
pub(in crate::ui) const MORE: Say =
    say("v all of it   Enter does nothing, Esc goes back", "v 全部   Enter 无作用，Esc 返回");

pub(in crate::ui) fn not_possible(lang: Lang, why: &str) -> String {
    both!(lang, "NOT POSSIBLE NOW: {why}", "现在不能执行：{why}")
}

/// That a reason is asked for before anything starts.
pub(in crate::ui) fn asks_first(lang: Lang, why: &str, digits: bool) -> String {
    match (lang, digits) {
        (Lang::En, true) => format!("{why}: the digits ask for a reason first"),
        (Lang::En, false) => format!("{why}: y asks for a reason first"),
        (Lang::Zh, true) => format!("{why}：输入数字后先问原因"),
        (Lang::Zh, false) => format!("{why}：按 y 后先问原因"),
    }
}

// What `y` does: in the dialog, and in the key bar.
pub(in crate::ui) const BEGIN_IT: Say = say("begin the run", "开始执行");
pub(in crate::ui) const STOP_IT: Say = say("stop it", "中止");
pub(in crate::ui) const BAR_BEGIN: Say = say("begin", "开始");
pub(in crate::ui) const BAR_AGAIN: Say = say("run again", "重跑");
pub(in crate::ui) const BAR_OPEN: Say = say("open it", "打开");
pub(in crate::ui) const BAR_WATCH: Say = say("watch", "观察");
pub(in crate::ui) const SEND: Say = say("send", "发送");
pub(in crate::ui) const RUN: Say = say("run", "执行");
pub(in crate::ui) const RUN_HERE: Say = say("run on this machine", "在本机执行");
pub(in crate::ui) const OPEN_BY_HAND: Say = say("open it: a person begins", "打开：由人着手");
pub(in crate::ui) const OPEN_GATE: Say = say("open the gate", "打开关口");
pub(in crate::ui) const WATCH: Say = say("begin to watch", "开始观察");

/// `run on 6 hosts`
pub(in crate::ui) fn on_hosts(lang: Lang, verb: Say, n: usize) -> String {
    let (verb, on) = (verb.to(lang), hosts(lang, n));
    both!(lang, "{verb} on {on}", "在 {on}上{verb}")
}

// To begin the run.
pub(in crate::ui) const BEGIN_RUNS_NOTHING: Say = say(
    "Beginning runs nothing by itself, except steps of class check marked `auto`.",
    "开始本身不执行任何命令，标了 `auto` 的 check 步骤除外。",
);
pub(in crate::ui) const NOT_NAMED: Say = say("not named", "未命名");
pub(in crate::ui) const NOT_OPEN_YET: Say = say("the window is NOT OPEN yet", "窗口尚未开放");
pub(in crate::ui) const BEGIN: Say = say("BEGIN the run?", "开始执行？");

pub(in crate::ui) fn environment(lang: Lang, of: RunKind, name: &str) -> String {
    let kind = kind(of).to(lang);
    both!(lang, "{kind} environment {name}", "{kind}环境 {name}")
}

pub(in crate::ui) fn digest(lang: Lang, digest: &str) -> String {
    both!(lang, "digest {digest}", "摘要 {digest}")
}

pub(in crate::ui) fn extent(lang: Lang, all: usize, phases: usize, critical: usize) -> String {
    let all = steps(lang, all);
    let phases = counted(lang, phases, ("phase", "phases"), "个阶段");
    both!(
        lang,
        "{all} in {phases}, {critical} critical",
        "{phases}，{all}，其中 critical {critical} 个"
    )
}

pub(in crate::ui) fn about(lang: Lang, when: &str) -> String {
    both!(lang, "about {when}", "约 {when}")
}

pub(in crate::ui) fn window(
    lang: Lang,
    (from, opens): (&str, &str),
    (to, closes): (&str, &str),
    zone: &str,
) -> String {
    both!(lang, "{from} {opens} to {to} {closes} {zone}", "{from} {opens} 至 {to} {closes} {zone}")
}

/// What kind of run it is, in a few words.
pub(in crate::ui) const fn kind_remark(kind: RunKind) -> Say {
    match kind {
        RunKind::Live => say("this is the real one", "真实执行"),
        RunKind::Drill => say("nothing here touches production", "不会触及生产"),
        RunKind::Rehearsal => say("real hosts of another inventory", "另一清单的真实主机"),
    }
}

// To start a step.

/// `RUN c3  Verify the rows on 6 PROD?`
pub(in crate::ui) fn run(
    lang: Lang,
    id: &StepId,
    title: &str,
    on: Option<(usize, RunKind)>,
) -> String {
    let on = on.map(|(n, of)| {
        let kind = kind(of).to(lang);
        both!(lang, " on {n} {kind}", "（{n} 台{kind}主机）")
    });
    let on = on.unwrap_or_default();
    both!(lang, "RUN {id}  {title}{on}?", "执行 {id}  {title}{on}？")
}

pub(in crate::ui) fn whole(lang: Lang, seq: u64) -> String {
    both!(
        lang,
        "This is the whole of what will be sent. It is written to the audit (#{seq}) before the first byte leaves.",
        "以下就是将要发送的全部内容。发出第一个字节之前先写入审计 (#{seq})。"
    )
}

pub(in crate::ui) const COMMIT: Say = say(
    "after it NOTHING CAN BE ROLLED BACK; what is wrong goes forward",
    "此后一切不可回滚；出错只能向前修复",
);
pub(in crate::ui) const NO_RETURN: Say = say(
    "P, the point of no return: after it, going back needs a reason",
    "P 难以回退点：此后回滚须写明原因",
);

pub(in crate::ui) fn back_effect(
    lang: Lang,
    (now, then): (&str, &str),
    by: Option<(&str, &str)>,
) -> String {
    let by = by.map(|(is, would)| both!(lang, ", BY {is} -> {would}", "，最晚 {is} -> {would}"));
    let by = by.unwrap_or_default();
    both!(
        lang,
        "rollback takes {now} now, {then} after it{by}",
        "现需 {now}，此步之后需 {then}{by}"
    )
}

pub(in crate::ui) fn plan_effect(
    lang: Lang,
    takes: &str,
    ends: &str,
    left: Option<&str>,
) -> String {
    let left = left.map(|left| both!(lang, ", window left then {left}", "，届时窗口剩 {left}"));
    let left = left.unwrap_or_default();
    both!(lang, "{takes}: ends about {ends}{left}", "{takes}：约 {ends} 结束{left}")
}

// To run it again, to stop it.
pub(in crate::ui) const AGAIN: Say = say(
    "The same once more. This is the whole of what will be sent.",
    "与上次相同，再来一次。以下就是将要发送的全部内容。",
);

pub(in crate::ui) fn run_again(lang: Lang, part: Part, id: &StepId) -> String {
    let undo = super::undo_of(part.is_undo(), lang);
    both!(lang, "RUN {undo}{id} AGAIN?", "重新执行 {undo}{id}？")
}

pub(in crate::ui) fn stop(lang: Lang, id: &StepId) -> String {
    both!(lang, "STOP {id}?", "中止 {id}？")
}

pub(in crate::ui) const STOP_WATCH: Say = say(
    "The command has ended: nothing is sent. The watch ends here, and the step does not \
     count as succeeded.",
    "命令已结束，不再发送任何内容。观察就此终止，该步骤不算成功。",
);
pub(in crate::ui) const STOP_SIGNAL: Say = say(
    "A signal goes to the command on each host below: first TERM, then KILL. \
     What it has done so far stays done.",
    "将向下列各主机上的命令发信号：先 TERM，后 KILL。它已做的不会还原。",
);
