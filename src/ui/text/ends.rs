//! The words of states: of steps, probes, ends of jobs, and what is known of one that runs.

use crate::engine::{Doubt, End, Health, Sight, Status, Verdict};

use super::{Lang, Say, say};

/// The word of a status.
pub(in crate::ui) const fn status(status: Status) -> Say {
    match status {
        Status::Pending => say("pending", "待执行"),
        Status::Running => say("running", "执行中"),
        Status::Waiting => say("waiting", "等待人工"),
        Status::Soaking { .. } => say("soaking", "观察中"),
        Status::Verifying => say("verifying", "验证中"),
        Status::Succeeded => say("succeeded", "成功"),
        Status::Failed => say("failed", "失败"),
        Status::TimedOut => say("timed out", "超时"),
        Status::Unknown => say("unknown", "结果未知"),
        Status::Cancelled => say("cancelled", "已中止"),
        Status::Skipped => say("skipped", "已跳过"),
        Status::DoneByHand => say("done by hand", "人工完成"),
        Status::FailureAccepted => say("failure accepted", "失败已接受"),
    }
}

/// The word of a verdict.
pub(in crate::ui) const fn verdict(verdict: Verdict) -> Say {
    match verdict {
        Verdict::Succeeded => say("succeeded", "成功"),
        Verdict::Cancelled => say("cancelled", "已中止"),
        Verdict::Failed => say("failed", "失败"),
        Verdict::TimedOut => say("timed_out", "超时"),
        Verdict::Unknown => say("unknown", "结果未知"),
    }
}

/// The word of a probe's health.
pub(in crate::ui) const fn health(health: Health) -> Say {
    match health {
        Health::Healthy => say("healthy", "正常"),
        Health::Degraded => say("degraded", "劣化"),
        Health::Failed => say("failed", "失败"),
        Health::Unknown => say("unknown", "未知"),
    }
}

/// Why nobody knows how a job ended.
pub(in crate::ui) const fn doubt(doubt: Doubt) -> Say {
    match doubt {
        Doubt::Link => say(doubt.words(), "可能已执行：连接已断"),
        Doubt::Gone => say(doubt.words(), "可能已执行：主机上的监护进程和步骤都已不在"),
        Doubt::Rebooted => say(doubt.words(), "可能在主机重启前已执行"),
        Doubt::Forgotten => say(doubt.words(), "未知：主机上本次执行的记录已丢失"),
        Doubt::LetGo => say(doubt.words(), "未知：主机没有应答"),
        Doubt::Unrecorded => say(doubt.words(), "已结束，但结果未能记录"),
    }
}

/// How a job ended, in words.
pub(in crate::ui) fn end(lang: Lang, end: &End) -> String {
    match end {
        End::Exited { code, unmet: None, .. } => both!(lang, "exit {code}", "退出码 {code}"),
        End::Exited { code, unmet: Some(unmet), .. } => {
            both!(lang, "exit {code}, {unmet}", "退出码 {code}，{unmet}")
        }
        End::Done(done) => match (&done.unmet, &done.reconciled) {
            (_, Some(found)) if lang == Lang::Zh => super::work::reconciled(lang, found),
            (_, _) => done.words(),
        },
        End::Signalled { signal } => {
            both!(lang, "ended by signal {signal}", "被信号 {signal} 终止")
        }
        End::Stopped { survivors: None } => {
            say("stopped, not known what still lives", "已停止，是否有残留进程未知").own(lang)
        }
        End::Stopped { survivors: Some(alive) } if alive.is_empty() => {
            say("stopped, gone", "已停止，无残留进程").own(lang)
        }
        End::Stopped { survivors: Some(alive) } => {
            let alive: Vec<&str> = alive.iter().map(crate::base::SafeText::as_str).collect();
            let alive = alive.join(", ");
            both!(lang, "stopped, still alive: {alive}", "已停止，仍存活：{alive}")
        }
        End::NotStarted { why } => both!(lang, "not started: {why}", "未启动：{why}"),
        End::Rebooted { after } => {
            both!(lang, "rebooted, answered after {after}", "已重启，{after} 后应答")
        }
        End::Unknown { why, doubt: Doubt::Link } => both!(lang, "unknown: {why}", "未知：{why}"),
        End::Unknown { why, doubt } => {
            let doubt = self::doubt(*doubt).to(lang);
            both!(lang, "{doubt}: {why}", "{doubt}：{why}")
        }
    }
}

/// What became known of a job that runs.
pub(in crate::ui) fn sight(lang: Lang, sight: &Sight) -> String {
    match (lang, sight) {
        (Lang::En, _) => sight.words(),
        (Lang::Zh, Sight::Began(begun)) => format!("已开始，进程 {}", begun.pid),
        (Lang::Zh, Sight::Lost { why, proved }) => {
            format!("失联，{proved} 前最后确认存活：{why}")
        }
        (Lang::Zh, Sight::Back) => "已重新连上，仍在执行".to_owned(),
        (Lang::Zh, Sight::Orphan) => "在执行，但监护进程已不在".to_owned(),
        (Lang::Zh, Sight::Attached { why }) => format!("不能断线续跑：{why}"),
    }
}

/// What is said to the driver of a job whose end is in no record.
pub(in crate::ui) fn unrecorded_end(lang: Lang, job: &str, end: &End) -> String {
    let end = self::end(lang, end);
    both!(lang, "not recorded: {job} ended: {end}", "未记录：{job} 已结束：{end}")
}
