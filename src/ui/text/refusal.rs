//! Why the session refuses what was asked for. The English words are those of the refusal itself.

use crate::engine::{Already, Deed, Refusal, Standing, StepKind, Unfit};
use crate::plan::NotCaptured;

use super::{Lang, class, ends};

/// Why not.
#[expect(clippy::too_many_lines, reason = "one arm for each refusal")]
pub(in crate::ui) fn words(lang: Lang, refusal: &Refusal) -> String {
    if lang == Lang::En {
        return refusal.to_string();
    }
    let status = |status| ends::status(status).to(lang);
    match refusal {
        Refusal::UnknownStep(step) => format!("此操作手册没有步骤 {step}"),
        Refusal::NotActive(standing) => format!("不能开始：会话{}", self::standing(*standing)),
        Refusal::Held(why) => format!("会话已暂停 ({why})：请先继续"),
        Refusal::GuardOpen => "回滚护盖已打开：请先关闭".to_owned(),
        Refusal::GuardClosed => "回滚护盖没有打开".to_owned(),
        Refusal::Needs { step, need, status: is } => {
            format!("{step} 依赖 {need}，而 {need} 当前为“{}”", status(*is))
        }
        Refusal::WrongStatus { step, status: is, what } => {
            format!("{step} 当前为“{}”，不能{}", status(*is), deed(*what))
        }
        Refusal::Unconfirmed { step, needed } => {
            format!("{step} 的类别是 {}，须按该类别确认", class(*needed))
        }
        Refusal::NoReason(what) => format!("{}须写明原因", deed(*what)),
        Refusal::NotHeld(step) => format!("{step} 尚未开始：先暂停执行，再修改命令"),
        Refusal::NoCommand { step, why } => format!("{step} 的新命令未采用：{}", unfit(*why)),
        Refusal::HoldsSecret(what) => {
            format!("未采用：其中含 {what}，会进入记录；请以密钥方式提供")
        }
        Refusal::Replan(problems) => format!("不能改用该操作手册：{}", problems.join("; ")),
        Refusal::NotSkippable(step) => format!("{step} 不可跳过：操作手册写明 skippable = false"),
        Refusal::WrongKind { step, kind } => format!("{step} 不是{}", self::kind(*kind)),
        Refusal::Checklist { ticked, all } => {
            format!("检查单 {all} 项已勾选 {ticked} 项：请全部勾选")
        }
        Refusal::NotHealthy { probe, health } => {
            format!("探针 {probe} {}：放行须写明原因", ends::health(*health).to(lang))
        }
        Refusal::NotOpen { step, opens, left } => {
            format!("{step} 会做变更，而窗口 {opens} 才开放，还有 {left}：请等待，或写明原因后强制")
        }
        Refusal::WindowClosed { step, closed, ago } => {
            format!(
                "{step} 会做变更，而窗口已于 {closed} 关闭，已过 {ago}：请回滚，或写明原因后强制"
            )
        }
        Refusal::Margin(least) => format!("预计结束时窗口余量不足 {least}：放行须写明原因"),
        Refusal::NotReady(why) => format!("回滚未就绪 ({why})：放行须写明原因"),
        Refusal::Poll { go, needed } => {
            format!("须有 {needed} 个角色放行，现有 {go} 个：请询问其余角色")
        }
        Refusal::NotAsked { step, role } => format!("关口 {step} 不询问 {role}"),
        Refusal::NotOfRole { person, role } => format!("{person} 不属于角色 {role}"),
        Refusal::Unsigned(role) => format!("{role} 在操作手册中有密钥：从其他终端答复须签名"),
        Refusal::StrangeKey { key, role } => {
            format!("{key} 不是角色 {role} 的密钥：以操作手册所列为准")
        }
        Refusal::SaidBefore(person) => format!("{person} 已作过此答复或更晚的答复：签名只计一次"),
        Refusal::OtherAttempt { step, said, now } => {
            format!("该答复针对 {step} 的第 {said} 次尝试，现在是第 {now} 次：请重新答复")
        }
        Refusal::SecondUnsigned => {
            "操作员账号的另一个终端不算复核人：请用操作手册为某角色列出的密钥签名".to_owned()
        }
        Refusal::SameKey => "该密钥正在为操作员签名：复核人须用自己的密钥".to_owned(),
        Refusal::NoCriterion { step, criterion } => {
            format!("关口 {step} 没有可豁免的条件 {criterion}")
        }
        Refusal::WaiverLasts => "豁免时长为 1s 至 24h".to_owned(),
        Refusal::NoSecond(step) => format!("{step} 须由复核人先同意：某个角色中非操作员的人"),
        Refusal::SamePerson(person) => format!("{person} 是操作员：须由另一人同意"),
        Refusal::NoEvidence(step) => format!("签核 {step} 须附证据：链接，或所见情况"),
        Refusal::NoPlaybook(playbook) => format!("此操作手册没有预案 {playbook}"),
        Refusal::PlaybookShut(playbook) => format!("预案 {playbook} 尚未打开：请先写明原因打开"),
        Refusal::NoCheckpoint(checkpoint) => format!("没有已到达的检查点 {checkpoint}"),
        Refusal::NothingSince(checkpoint) => format!("检查点 {checkpoint} 之后没有步骤开始"),
        Refusal::Committed(step) => format!("{step} (commit) 之后不能再回滚，只能向前修复"),
        Refusal::NotCaptured { step, missing } => {
            format!("{step} 不能开始：{}", not_captured(missing))
        }
        Refusal::When { step, why } => format!("{step} 的 when 无法求值：{why}"),
        Refusal::RollingBack => "回滚已开始：要再次上线须新建一次执行".to_owned(),
        Refusal::PointOfNoReturn(step) => {
            format!("{step} 是难以回退点且已执行：回滚须写明破例原因")
        }
        Refusal::NothingToRollBack => "没有步骤开始过，无可回滚".to_owned(),
        Refusal::NoVerify(step) => format!("{step} 没有可重做的 verify"),
        Refusal::NothingRuns(step) => format!("{step} 没有在执行"),
        Refusal::NothingUnseen(step) => format!("{step} 没有失联的任务"),
        Refusal::NoSuchHost(host) => format!("此操作手册没有主机 {host}"),
        Refusal::ShellOpen(host) => format!("{host} 上的 Shell 还开着：请先退出"),
        Refusal::Closed => "会话已关闭：记录已完整".to_owned(),
        Refusal::NotRecorded { why } => format!("无法记录：{why}"),
        Refusal::Already(what) => already(*what).to_owned(),
        Refusal::NotInFlight(name) => format!("没有名为 {name} 的执行中任务"),
    }
}

fn not_captured(missing: &NotCaptured) -> String {
    match missing {
        NotCaptured::Missing(name) => format!("需要 {name}，但还没有步骤取得该值"),
        NotCaptured::Template(error) => error.to_string(),
    }
}

const fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::NotOpen => "尚未打开",
        Standing::NotBegun => "尚未开始",
        Standing::UnderWay => "仍在进行",
        Standing::Completed => "已完成",
        Standing::GivenUp => "已放弃",
        Standing::StillRuns => "在等仍在执行的任务结束",
        Standing::NotRollingBack => "不在回滚",
    }
}

const fn deed(deed: Deed) -> &'static str {
    match deed {
        Deed::Edit => "修改命令",
        Deed::OpenPlaybook => "打开应急预案",
        Deed::ClosePlaybook => "关闭其预案",
        Deed::RollBack => "回滚",
        Deed::NoGo => "否决",
        Deed::Waive => "豁免",
        Deed::Replan => "改用另一操作手册",
        Deed::OutsideWindow => "在窗口外启动步骤",
        Deed::OpenShell => "在主机上打开 Shell",
        Deed::GiveUp => "放弃执行",
        Deed::Unrecorded => "在未记录时继续",
        Deed::RunAgain => "重新执行",
        Deed::RunInDoubtAgain => "重新执行可能已执行过的步骤",
        Deed::CheckAgain => "重新验证",
        Deed::Skip | Deed::SkipIt => "跳过步骤",
        Deed::LookNoFurther => "放弃跟踪步骤",
        Deed::DoneByHand => "标记为人工完成",
        Deed::AcceptFailure => "接受失败",
        Deed::AcceptKey => "接受新的主机密钥",
        Deed::Start => "开始",
        Deed::Agree => "表示同意",
        Deed::Decide => "裁决或签核",
    }
}

const fn already(already: Already) -> &'static str {
    match already {
        Already::SamePlan => "该操作手册就是当前所用的",
        Already::PlaybookOpen => "该预案已打开",
        Already::Holds => "该条件已满足，无需豁免",
        Already::NobodyAsked => "此步骤无需他人同意",
        Already::Opened => "会话已打开",
        Already::Begun => "执行已开始",
        Already::OnHold => "会话已经暂停",
        Already::NotOnHold => "会话没有暂停",
        Already::NoText => "备注不能为空",
        Already::GivenUp => "执行已经放弃",
        Already::Recorded => "一切均已记录",
        Already::WindowOpen => "窗口没有阻止任何步骤开始",
        Already::NothingToOverride => "一切均已记录，无需强制",
        Already::Overridden => "已经强制过",
        Already::SameKey => "该主机没有出示别的密钥",
    }
}

const fn unfit(unfit: Unfit) -> &'static str {
    match unfit {
        Unfit::Empty => "内容为空",
        Unfit::TooLong => "超过 64 KiB",
        Unfit::Same => "与原来相同",
        Unfit::Mark => "‹captured: name› 之类的标记代表一个值，请写出该值",
        Unfit::Hidden => "含控制字符或不可见字符",
    }
}

const fn kind(kind: StepKind) -> &'static str {
    match kind {
        StepKind::RunOrLocal => " run 或 local 步骤",
        StepKind::RunOrManual => " run 或 manual 步骤",
        StepKind::Manual => " manual 步骤",
        StepKind::Gate => "关口",
        StepKind::Rollback => "回滚中的步骤",
        StepKind::Forward => "上线步骤",
    }
}
