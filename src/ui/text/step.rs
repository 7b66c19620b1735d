//! The step pane and the rows about a step in dialogs.

use crate::runbook::{Breach, Expect};

use super::{Lang, Say, hosts, say};

// What has to hold for a step to count as done.

/// `exit 0 or 3, output matches /ok/`
pub(in crate::ui) fn pass(lang: Lang, expect: &Expect) -> String {
    let list = |exits: &std::collections::BTreeSet<i32>| {
        let or = say(" or ", " 或 ").to(lang);
        exits.iter().map(ToString::to_string).collect::<Vec<_>>().join(or)
    };
    let exits = list(&expect.exit);
    let mut all = vec![both!(lang, "exit {exits}", "退出码 {exits}")];
    if !expect.warn.is_empty() {
        let warns = list(&expect.warn);
        all.push(both!(lang, "exit {warns} with a warning", "退出码 {warns} 带警告"));
    }
    let out = |out| both!(lang, "output matches /{out}/", "输出匹配 /{out}/");
    all.extend(expect.stdout.iter().map(out));
    let err = |err| both!(lang, "error output matches /{err}/", "错误输出匹配 /{err}/");
    all.extend(expect.stderr.iter().map(err));
    all.join(say(", ", "，").to(lang))
}

/// What became of a person's word that they did it by hand.
pub(in crate::ui) const CLAIM_PROVED: Say = say("proved by its verification", "已由其验证证明");
pub(in crate::ui) const CLAIM_NEVER: Say = say("never proved", "始终未证明");
pub(in crate::ui) const CLAIM_RUN_AGAIN: Say = say("run again since", "之后又执行过");
pub(in crate::ui) const CLAIM_VERIFIED: Say = say("being verified", "正在验证");
pub(in crate::ui) const CLAIM_UNPROVED: Say = say("NOT PROVED", "未证明");

pub(in crate::ui) fn probe_is_healthy(lang: Lang, probe: &str) -> String {
    both!(lang, "probe {probe} is healthy", "探针 {probe} 正常")
}

pub(in crate::ui) fn every_within(lang: Lang, what: &str, every: &str, within: &str) -> String {
    both!(lang, "{what} (every {every}, within {within})", "{what} (每 {every} 一次，限 {within})")
}

/// What a watch asks for: probes, a span, comparisons, and what a breach does.
pub(in crate::ui) fn soak(
    lang: Lang,
    (probes, span): (&str, &str),
    compared: Option<(&str, &str)>,
    breach: Breach,
) -> String {
    let breach = match breach {
        Breach::Hold => say("a breach holds", "不达标则暂停"),
        Breach::Rollback => say("a breach proposes to roll back", "不达标则建议回滚"),
        Breach::Fail => say("a breach fails the step", "不达标则步骤失败"),
    };
    let breach = breach.to(lang);
    let compared =
        compared.map(|(every, what)| both!(lang, "; every {every} {what}", "；每 {every} {what}"));
    let compared = compared.unwrap_or_default();
    let watched = match (lang, probes.is_empty()) {
        (Lang::En, true) => format!("for {span}"),
        (Lang::En, false) => format!("{probes} healthy for {span}"),
        (Lang::Zh, true) => format!("持续 {span}"),
        (Lang::Zh, false) => format!("{probes} 持续正常 {span}"),
    };
    both!(lang, "{watched}{compared}; {breach}", "{watched}{compared}；{breach}")
}

// What the step does.
pub(in crate::ui) fn healthy(lang: Lang, probes: &str) -> String {
    both!(lang, "healthy: {probes}", "正常：{probes}")
}

pub(in crate::ui) fn margin(lang: Lang, margin: &str) -> String {
    both!(lang, "{margin} of the window left at the end", "结束时窗口至少剩 {margin}")
}

// Where it runs.
pub(in crate::ui) const WITH_BECOME: Say = say("   (with become)", "   (用 become)");
pub(in crate::ui) const THIS_MACHINE: Say = say("this machine", "本机");

/// `6 hosts: app-1 app-2`
pub(in crate::ui) fn host_list(lang: Lang, n: usize, names: &str) -> String {
    let n = hosts(lang, n);
    both!(lang, "{n}: {names}", "{n}：{names}")
}

pub(in crate::ui) fn not_reachable(lang: Lang, why: &str) -> String {
    both!(lang, "NOT REACHABLE: {why}", "无法连接：{why}")
}

// How it is undone.
pub(in crate::ui) const UNDO_NOT_NEEDED: Say = say("none needed", "不需要");
pub(in crate::ui) const UNDO_NOT_WRITTEN: Say = say("NONE WRITTEN", "未编写");

pub(in crate::ui) fn irreversible(lang: Lang, why: &str) -> String {
    both!(lang, "CANNOT BE UNDONE: {why}", "不可撤销：{why}")
}

pub(in crate::ui) fn undo(lang: Lang, text: &str, takes: &str) -> String {
    both!(lang, "{text}   (about {takes})", "{text}   (约 {takes})")
}

pub(in crate::ui) fn undo_needs(lang: Lang, text: &str, every: &str) -> String {
    both!(lang, "it needs: {text}   (asked every {every})", "前提：{text}   (每 {every} 核实)")
}

pub(in crate::ui) fn way_back(lang: Lang, takes: &str, by: Option<&str>, not: &str) -> String {
    let by = by.map(|by| both!(lang, ", possible until {by}", "，最晚 {by}")).unwrap_or_default();
    both!(lang, "rolling back now takes about {takes}{by}{not}", "此刻回滚约需 {takes}{by}{not}")
}

// Times.
pub(in crate::ui) const NOT_ESTIMATED: Say = say("not estimated by the author", "作者未估时");

pub(in crate::ui) fn slack(lang: Lang, slack: &str) -> String {
    both!(lang, ", slack {slack}", "，余量 {slack}")
}

pub(in crate::ui) fn started(
    lang: Lang,
    at: &str,
    over: bool,
    (spent, delta): (&str, &str),
) -> String {
    let word = if over { say("took", "用时") } else { say("now", "已用") }.to(lang);
    both!(lang, "started {at}  {word} {spent} {delta}", "{at} 开始  {word} {spent} {delta}")
}

pub(in crate::ui) fn stops_at(lang: Lang, limit: &str) -> String {
    both!(lang, "stops at {limit}", "限时 {limit}")
}

// What became of it.
pub(in crate::ui) fn watching(lang: Lang, until: &str, left: &str) -> String {
    both!(lang, "watching until {until} (-{left})", "观察至 {until} (剩 {left})")
}

/// `unread`: the last comparison could not be made.
pub(in crate::ui) fn compares_again(lang: Lang, unread: bool, at: &str) -> String {
    let unread = if unread { say("could not be compared; ", "未能比对；") } else { Say::NONE };
    let unread = unread.to(lang);
    both!(lang, "{unread}compares again at {at}", "{unread}{at} 再次比对")
}

pub(in crate::ui) fn tries_again(lang: Lang, at: &str) -> String {
    both!(lang, "tries again by itself at {at}", "{at} 自动重试")
}

pub(in crate::ui) const OF_VERIFICATION: Say = say(" of the verification", "验证");
pub(in crate::ui) const OF_COMPARISON: Say = say(" of the comparison", "比对");

pub(in crate::ui) fn attempt(lang: Lang, n: usize, of: Say, (at, stops): (&str, bool)) -> String {
    let of = of.to(lang);
    let stops = if stops { say(", asked to stop", "，已要求停止") } else { Say::NONE }.to(lang);
    both!(lang, "attempt {n}{of}, started {at}{stops}", "第 {n} 次{of}，{at} 开始{stops}")
}

pub(in crate::ui) fn ended_unrecorded(lang: Lang, end: &str) -> String {
    both!(lang, "ended, NOT RECORDED: {end}", "已结束，未记录：{end}")
}

// Waves.
pub(in crate::ui) const NEXT_WAITS: Say = say("; the next waits for you", "；下一批等您放行");

pub(in crate::ui) fn next_wave(lang: Lang, at: &str) -> String {
    both!(lang, "; the next at {at}", "；下一批 {at}")
}

pub(in crate::ui) fn wave(lang: Lang, number: usize, all: usize, next: &str) -> String {
    both!(lang, "{number} of {all}{next}", "第 {number}/{all} 批{next}")
}

/// ` w2/3`, in a list.
pub(in crate::ui) fn wave_short(lang: Lang, number: usize, all: usize) -> String {
    both!(lang, " w{number}/{all}", " 批{number}/{all}")
}

// What is known of a job that runs.
pub(in crate::ui) fn as_process(lang: Lang, pid: u32) -> String {
    both!(lang, " as process {pid}", "，进程 {pid}")
}

pub(in crate::ui) fn unseen(lang: Lang, pid: &str, proof: &str, why: &str) -> String {
    both!(
        lang,
        "{pid}, UNSEEN: last proof {proof} ago, {why}",
        "{pid}，失联：{proof} 前最后确认存活，{why}"
    )
}

pub(in crate::ui) fn orphan(lang: Lang, pid: &str) -> String {
    both!(
        lang,
        "{pid} without its watcher: its exit status will not be known",
        "{pid}，监护进程已不在：退出码将无从得知"
    )
}

pub(in crate::ui) fn attached(lang: Lang, why: &str) -> String {
    both!(lang, ", ends with its link: {why}", "，连接断开即结束：{why}")
}

pub(in crate::ui) fn runs_since(lang: Lang, spent: &str, sight: &str) -> String {
    both!(lang, "runs since {spent}{sight}", "已执行 {spent}{sight}")
}

pub(in crate::ui) const A_WARNING: Say = say(" (a warning)", " (警告)");

pub(in crate::ui) fn ended_after(lang: Lang, end: &str, (spent, bytes): (&str, u64)) -> String {
    both!(lang, "{end} after {spent}, {bytes} B", "{end}，用时 {spent}，{bytes} B")
}

pub(in crate::ui) fn more_rows(lang: Lang, n: usize) -> String {
    both!(lang, " {n} more rows: 2 ", " 另有 {n} 行：2 ")
}

// The list of steps.
pub(in crate::ui) const RUNBOOK: Say = say("1 Runbook", "1 步骤");
pub(in crate::ui) const ROLLBACK: Say =
    say("Rollback, newest step undone first", "回滚，最新的步骤先撤销");
pub(in crate::ui) const LEGEND: Say =
    say("* critical path   P point of no return", "* 关键路径   P 难以回退点");
/// The five stages of a rollback.
pub(in crate::ui) const STAGES: [Say; 5] = [
    say("stop", "停新"),
    say("code", "旧代码"),
    say("data", "旧数据"),
    say("verify", "验证"),
    say("tell", "通知"),
];

pub(in crate::ui) fn done(lang: Lang, over: usize, all: usize) -> String {
    both!(lang, "{over}/{all} done", "{over}/{all} 完成")
}

pub(in crate::ui) fn done_of_plan(lang: Lang, over: usize, all: usize, takes: &str) -> String {
    both!(lang, "{over}/{all} done  plan {takes}", "{over}/{all} 完成  计划 {takes}")
}

pub(in crate::ui) const AUTO_ON: Say = say("auto on   ", "自动开   ");
pub(in crate::ui) const UNSEEN: Say = say("UNSEEN ", "失联 ");

/// What stands before a step in the list that is not well, or was not done as planned.
pub(in crate::ui) const fn standing(status: crate::engine::Status) -> Say {
    use crate::engine::Status;
    match status {
        Status::Unknown => say("UNKNOWN ", "未知 "),
        Status::TimedOut => say("TIMED OUT ", "超时 "),
        Status::Failed => say("FAILED ", "失败 "),
        Status::FailureAccepted => say("accepted ", "已接受 "),
        Status::DoneByHand => say("by hand ", "人工 "),
        Status::Skipped => say("skipped ", "跳过 "),
        Status::Cancelled => say("stopped ", "中止 "),
        Status::Pending
        | Status::Running
        | Status::Waiting
        | Status::Soaking { .. }
        | Status::Verifying
        | Status::Succeeded => Say::NONE,
    }
}

/// `undo c3:` in the list of a rollback.
pub(in crate::ui) fn undo_label(lang: Lang, is_undo: bool, id: &str) -> String {
    match (lang, is_undo) {
        (_, false) => format!("{id}:"),
        (Lang::En, true) => format!("undo {id}:"),
        (Lang::Zh, true) => format!("撤销 {id}:"),
    }
}
