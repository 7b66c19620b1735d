//! The rows below the panes: alarms, what happens, what comes next, and the labels of the keys.

use super::{Lang, Say, counted, hosts, say};

// Alarms.
pub(in crate::ui) const NO_ALARM: Say = say("No alarm is open.", "没有未解除的报警。");
pub(in crate::ui) const ALARM_KEYS: Say =
    say("c acknowledge  C recall  M mute", "c 确认  C 复查  M 静音");
pub(in crate::ui) const ACKNOWLEDGED: Say = say(" (acknowledged)", " (已确认)");

pub(in crate::ui) fn over_since(lang: Lang, at: &str) -> String {
    both!(lang, " (over {at})", " ({at} 解除)")
}

pub(in crate::ui) fn alarm_hint(lang: Lang, seen: bool, count: &str) -> String {
    let key = if seen { say("C recall", "C 复查") } else { say("c ack", "c 确认") };
    format!("  {} {count} ", key.to(lang))
}

pub(in crate::ui) fn alarm_title(lang: Lang, (w, c, a): (usize, usize, usize)) -> String {
    both!(
        lang,
        "Alarms  WARNING {w}  CAUTION {c}  ADVISORY {a}",
        "报警  告警 {w}  警戒 {c}  提示 {a}"
    )
}

pub(in crate::ui) fn more_alarms(lang: Lang, n: usize) -> String {
    both!(lang, " {n} more: C ", " 另有 {n} 条：C ")
}

// What happens.

/// What a step is at, for the message row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ui) enum Doing {
    Runs,
    Stops,
    Soaks,
    Verifies,
    Waits,
    Retries,
}

/// `c3 is running on 2 hosts.`
pub(in crate::ui) fn doing(
    lang: Lang,
    (is_undo, step): (bool, &str),
    doing: Doing,
    on: Option<usize>,
) -> String {
    let on = on.map(|n| hosts(lang, n));
    match lang {
        Lang::En => {
            let undo = if is_undo { "The undo of " } else { "" };
            let on = on.map(|hosts| format!(" on {hosts}")).unwrap_or_default();
            let what = match doing {
                Doing::Runs => "is running",
                Doing::Stops => "was asked to stop: TERM first, KILL after it,",
                Doing::Soaks => "watches its probes",
                Doing::Verifies => "is being verified",
                Doing::Waits => "is in a person's hands",
                Doing::Retries => "failed and tries again by itself",
            };
            format!("{undo}{step} {what}{on}.")
        }
        Lang::Zh => {
            let name = format!("{}{step}", if is_undo { "撤销 " } else { "" });
            let on = on.map(|hosts| format!("在 {hosts}上")).unwrap_or_default();
            match doing {
                Doing::Runs => format!("{name} 正{}执行。", if on.is_empty() { "在" } else { &on }),
                Doing::Stops => format!("已要求 {name} {on}停止：先 TERM，后 KILL。"),
                Doing::Soaks => format!("{name} 正{on}观察探针。"),
                Doing::Verifies => {
                    format!("{name} 正{}验证。", if on.is_empty() { "在" } else { &on })
                }
                Doing::Waits => format!("{name} 由人工处理中。"),
                Doing::Retries => format!("{name} {on}失败，正自动重试。"),
            }
        }
    }
}

/// A step that runs where nobody sees it.
pub(in crate::ui) fn unseen(
    lang: Lang,
    (is_undo, step): (bool, &str),
    (place, more): (&str, usize),
    (proof, stops): (&str, bool),
) -> String {
    match lang {
        Lang::En => {
            let undo = if is_undo { "The undo of " } else { "" };
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let stops = if stops { "; it is stopped once seen" } else { "" };
            format!(
                "{undo}{step} runs on, UNSEEN on {place}{more}: last proof {proof} ago, \
                 reconnecting{stops}."
            )
        }
        Lang::Zh => {
            let undo = if is_undo { "撤销 " } else { "" };
            let more = if more > 0 { format!(" 等 {} 处", more + 1) } else { String::new() };
            let stops = if stops { "；一经连上即中止" } else { "" };
            format!(
                "{undo}{step} 在 {place}{more} 失联，仍可能在执行：{proof} 前最后确认存活，正在重连{stops}。"
            )
        }
    }
}

// What comes next.

/// What a step is to the person who waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ui) enum Next {
    Gate,
    ByHand,
    Step,
}

pub(in crate::ui) const LAST_ONE: Say = say("It is the last one.", "这是最后一步。");

pub(in crate::ui) fn next(
    lang: Lang,
    (kind, step): (Next, &str),
    by_itself: bool,
    others: usize,
) -> String {
    let before = match kind {
        Next::Gate => say("Next decision: gate ", "下一个决定：关口 "),
        Next::ByHand => say("Next, by hand: ", "下一步(人工)："),
        Next::Step => say("Next: ", "下一步："),
    };
    let who = if by_itself {
        say(", starts by itself.", "，自动开始。")
    } else {
        say(", starts when you confirm it.", "，由您确认后开始。")
    };
    let others = match (lang, others) {
        (_, 0) => String::new(),
        (Lang::En, n) => format!(" {n} more could start."),
        (Lang::Zh, n) => format!("另有 {n} 个可以开始。"),
    };
    format!("{}{step}{}{others}", before.to(lang), who.to(lang))
}

/// A sentence, then another one.
pub(in crate::ui) fn both_sentences(lang: Lang, first: &str, second: &str) -> String {
    match lang {
        Lang::En => format!("{first} {second}"),
        Lang::Zh => format!("{first}{second}"),
    }
}

pub(in crate::ui) fn more_run(lang: Lang, n: usize) -> String {
    both!(lang, "{n} more run.", "另有 {n} 个在执行。")
}

// The state of the run as a sentence.
pub(in crate::ui) const GUARD: Say = say(
    "Opening the guard sent nothing. Forward steps are held while it is open.",
    "打开护盖未发送任何命令。护盖打开期间不会开始新步骤。",
);
pub(in crate::ui) const BACK_ON_HOLD: Say = say(
    "The rollback is on HOLD: nothing new starts. H goes on.",
    "回滚已暂停：不会开始新的步骤。按 H 继续。",
);
pub(in crate::ui) const BACK: Say = say(
    "Back on the old system, verified. q closes the session.",
    "已回到旧系统并通过验证。按 q 关闭会话。",
);
pub(in crate::ui) const BACK_UNVERIFIED: Say = say(
    "Rolled back, but NO step has verified the old system. Look at it. q closes.",
    "已回滚，但没有步骤验证过旧系统，请人工检查。按 q 关闭。",
);
pub(in crate::ui) const DONE: Say =
    say("Every step is over. q closes the session.", "全部步骤已结束。按 q 关闭会话。");
pub(in crate::ui) const ABANDONED: Say =
    say("The run was given up. q closes the session.", "本次执行已放弃。按 q 关闭会话。");
pub(in crate::ui) const NOTHING_READY: Say =
    say("Nothing is ready to start.", "没有可以开始的步骤。");
pub(in crate::ui) const ROLLING_BACK: Say = say("Rolling back.", "正在回滚。");

pub(in crate::ui) fn not_begun(lang: Lang, steps: usize) -> String {
    let planned = counted(lang, steps, ("step is", "steps are"), "个步骤");
    both!(
        lang,
        "Nothing has begun: {planned} planned. Enter opens the start of the run.",
        "尚未开始：计划 {planned}。按 Enter 打开启动确认。"
    )
}

pub(in crate::ui) fn back_waits(lang: Lang, is_undo: bool, step: &str) -> String {
    let undo = super::undo_of(is_undo, lang);
    both!(
        lang,
        "The rollback waits for you: {undo}{step} did not succeed. Enter: choose.",
        "回滚等待您处理：{undo}{step} 未成功。按 Enter 选择。"
    )
}

/// What a person is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ui) enum Waits {
    Decide,
    SignOff,
    Begin,
    Start,
}

pub(in crate::ui) fn waiting(lang: Lang, since: &str, what: Waits, step: &str) -> String {
    let what = match what {
        Waits::Decide => say("decide", "请裁决"),
        Waits::SignOff => say("sign off", "请签核"),
        Waits::Begin => say("begin", "请着手"),
        Waits::Start => say("start", "请启动"),
    };
    let what = what.to(lang);
    both!(
        lang,
        "WAITING FOR YOU since {since}: {what} {step}. Enter opens it.",
        "{since} 起等待您确认：{what} {step}。按 Enter 打开。"
    )
}

pub(in crate::ui) fn goes_on(lang: Lang, away: &str) -> String {
    match lang {
        Lang::En => format!("{away} H goes on."),
        Lang::Zh => format!("{away}按 H 继续。"),
    }
}

pub(in crate::ui) fn hold(
    lang: Lang,
    (since, by): (&str, &str),
    why: &str,
    running: usize,
) -> String {
    let runs = match (lang, running) {
        (_, 0) => String::new(),
        (Lang::En, n) => format!(" {n} still running to its end."),
        (Lang::Zh, n) => format!("仍有 {n} 个执行至结束。"),
    };
    both!(
        lang,
        "HOLD since {since} by {by}: {why}.{runs} H goes on.",
        "{since} 由 {by} 暂停：{why}。{runs}按 H 继续。"
    )
}

/// What happened while nobody watched.
#[derive(Clone, Copy, Debug)]
pub(in crate::ui) struct Away<'a> {
    pub(in crate::ui) span: &'a str,
    pub(in crate::ui) ended: usize,
    pub(in crate::ui) unknown: usize,
    pub(in crate::ui) running: usize,
    pub(in crate::ui) unseen: usize,
}

pub(in crate::ui) fn away(lang: Lang, away: Away<'_>) -> String {
    let Away { span, ended, unknown, running, unseen } = away;
    let mut said = vec![both!(lang, "Nobody watched for {span}", "无人值守 {span}")];
    if ended > 0 {
        said.push(both!(lang, "{ended} ended meanwhile", "其间结束 {ended} 个"));
    }
    if unknown > 0 {
        said.push(both!(lang, "{unknown} UNKNOWN", "结果未知 {unknown} 个"));
    }
    match (running, unseen) {
        (0, _) => {}
        (running, 0) => said.push(both!(lang, "{running} still running", "仍在执行 {running} 个")),
        (_, unseen) => {
            said.push(both!(lang, "asking hosts about {unseen}", "正向主机查询 {unseen} 个"));
        }
    }
    match lang {
        Lang::En => format!("{}. Look first.", said.join(", ")),
        Lang::Zh => format!("{}。请先查看。", said.join("，")),
    }
}

pub(in crate::ui) fn failed(
    lang: Lang,
    (step, what): (&str, &str),
    since: &str,
    more: usize,
) -> String {
    let more = match (lang, more) {
        (_, 0) => String::new(),
        (Lang::En, n) => format!(" {n} more want a choice."),
        (Lang::Zh, n) => format!("另有 {n} 个待选择。"),
    };
    both!(
        lang,
        "{step} {what} at {since}. Nothing starts until you choose: Enter.{more}",
        "{step} {since} {what}。您选择之前不会开始任何步骤：Enter。{more}"
    )
}

pub(in crate::ui) const MAY_HAVE_RUN: Say = say("may have run", "可能已执行");

pub(in crate::ui) fn back_by_hand(lang: Lang, step: &str) -> String {
    both!(
        lang,
        "Rolling back. WAITING FOR YOU: {step} by hand. Enter opens it.",
        "正在回滚。等待您人工处理：{step}。按 Enter 打开。"
    )
}

pub(in crate::ui) fn rolling_back(lang: Lang, doing: &str, failed: usize) -> String {
    let failed = match (lang, failed) {
        (_, 0) => String::new(),
        (Lang::En, n) => format!(" {n} did not succeed so far."),
        (Lang::Zh, n) => format!("至此 {n} 个未成功。"),
    };
    both!(
        lang,
        "Rolling back. {doing}{failed} H holds between the items.",
        "正在回滚。{doing}{failed}按 H 可在各项之间暂停。"
    )
}

// The labels of the key bar that are not those of the table.
pub(in crate::ui) const BAR_ROLLBACK: Say = say("ROLLBACK", "回滚");
pub(in crate::ui) const BAR_CLOSE: Say = say("close", "关闭");
pub(in crate::ui) const BAR_PLAYBOOK: Say = say("PLAYBOOK", "应急预案");
pub(in crate::ui) const BAR_VIEWS: Say = say("views", "视图");
pub(in crate::ui) const BAR_AUTO_ON: Say = say("auto on", "自动开");
pub(in crate::ui) const BAR_AUTO_OFF: Say = say("auto off", "自动关");
pub(in crate::ui) const BAR_NEXT_HIT: Say = say("next hit", "下一处");
pub(in crate::ui) const BAR_ERROR: Say = say("error", "错误");
pub(in crate::ui) const BAR_DO_IT: Say = say("do it", "执行");
pub(in crate::ui) const BAR_DECIDE: Say = say("decide", "裁决");
pub(in crate::ui) const BAR_SIGN_OFF: Say = say("sign off", "签核");
pub(in crate::ui) const BAR_TEXT_KEPT: Say = say("back, text kept", "返回，文本保留");
pub(in crate::ui) const BAR_LEAVE_OPEN: Say = say("leave it open", "不关闭");
pub(in crate::ui) const BAR_STAY: Say = say("stay", "留下");
