//! Text fields: what is asked for, and what happens when it is done.

use super::super::prompt::Purpose;
use super::{Lang, Say, choice, gate, say};

/// What is asked for.
#[expect(clippy::too_many_lines, reason = "one arm for each purpose")]
pub(in crate::ui) fn title(lang: Lang, purpose: &Purpose) -> String {
    match purpose {
        Purpose::Note { step: None } => say("New note", "新备注").own(lang),
        Purpose::Note { step: Some(step) } => both!(lang, "New note at {step}", "新备注：{step}"),
        Purpose::RollBack => say("Why do you roll back?", "为何回滚？").own(lang),
        Purpose::BreakGlass => say(
            "PAST THE POINT OF NO RETURN. Why is going back right?",
            "已过难以回退点。为何仍应回滚？",
        )
        .own(lang),
        Purpose::Command { step, part } => {
            let undo = super::undo_of(part.is_undo(), lang);
            both!(
                lang,
                "The command of {undo}{step}, for this run",
                "{undo}{step} 的命令，仅限本次执行"
            )
        }
        Purpose::EditReason { step, .. } => {
            both!(lang, "Why is {step} edited?", "为何修改 {step}？")
        }
        Purpose::Skip { step } => both!(lang, "Why is {step} skipped?", "为何跳过 {step}？"),
        Purpose::ByHand { step, .. } => both!(
            lang,
            "How was {step} done, and how was it checked?",
            "{step} 是怎么做的，又是怎么检查的？"
        ),
        Purpose::Accept { step, .. } => {
            both!(lang, "Why may the run go on without {step}?", "没有 {step} 为何也可继续？")
        }
        Purpose::LetGo { step } => both!(
            lang,
            "{step} may run on, unseen. Why look no further?",
            "{step} 可能仍在执行，已失联。为何不再跟踪？"
        ),
        Purpose::RunAgain { step, .. } => both!(
            lang,
            "{step} may have run. Why is once more safe?",
            "{step} 可能已执行过。为何再来一次是安全的？"
        ),
        Purpose::SignOff { step, evidence: true, .. } => both!(
            lang,
            "Sign off {step}: the evidence, a link or what was seen",
            "签核 {step}：证据，链接或所见情况"
        ),
        Purpose::SignOff { step, .. } => both!(
            lang,
            "Sign off {step}: your words, or the evidence",
            "签核 {step}：您的说明，或证据"
        ),
        Purpose::Vote { voice, choice: voted, .. } => {
            let (said, person, role) = (choice(*voted).to(lang), &voice.person, &voice.role);
            both!(
                lang,
                "{said} of {person} for {role}: in their words",
                "{person} 代表 {role} {said}：其原话"
            )
        }
        Purpose::Waive { step, criterion } => {
            let criterion = gate::criterion(lang, criterion);
            both!(
                lang,
                "Waive {criterion} at {step}: how long, and why? (30m reason)",
                "豁免 {step} 的 {criterion}：多久，为何？(30m 原因)"
            )
        }
        Purpose::Approve { step, voice } => {
            let person = &voice.person;
            both!(
                lang,
                "{person} agrees that {step} starts: their words, if any",
                "{person} 同意开始 {step}：其原话，可不写"
            )
        }
        Purpose::Playbook { playbook } => {
            both!(lang, "BREAK GLASS. Why is {playbook} opened?", "应急。为何打开 {playbook}？")
        }
        Purpose::Gate { step, choice: decided, .. } => {
            let decided = choice(*decided).to(lang);
            both!(lang, "{decided} at {step}: why?", "{step} {decided}：为何？")
        }
        Purpose::Shell => super::shell::WHY.own(lang),
        Purpose::Unrecorded => say(
            "NOT RECORDED. Type UNRECORDED and why you go on",
            "未记录。请输入 UNRECORDED 及继续的原因",
        )
        .own(lang),
        Purpose::Outside => say(
            "OUTSIDE THE WINDOW. Why may steps start now?",
            "不在窗口内。为何现在可以开始步骤？",
        )
        .own(lang),
        Purpose::Abandon => {
            say("Give the run up WITHOUT a rollback: why?", "放弃执行且不回滚：为何？").own(lang)
        }
    }
}

/// What happens when it is done.
pub(in crate::ui) const fn then(purpose: &Purpose) -> Say {
    match purpose {
        Purpose::Note { .. } => say("into the audit", "写入审计"),
        Purpose::RollBack | Purpose::BreakGlass => say("back to the guard", "回到护盖"),
        Purpose::Command { .. } => say("show what changes", "显示差异"),
        Purpose::EditReason { .. } => say("back to the edit", "回到修改"),
        Purpose::Skip { .. } => say("skip it", "跳过"),
        Purpose::ByHand { verified: true, .. } => say("say so, and verify it", "声明完成并验证"),
        Purpose::ByHand { .. } => say("mark it done by hand", "标记完成"),
        Purpose::Accept { .. } => say("accept the failure", "接受失败"),
        Purpose::LetGo { .. } => say("call it unknown", "记为结果未知"),
        Purpose::RunAgain { .. } => say("on to the confirmation", "进入确认"),
        Purpose::SignOff { .. } => say("sign it off", "签核"),
        Purpose::Vote { .. } => say("record the answer", "记录答复"),
        Purpose::Waive { .. } => say("waive it", "豁免"),
        Purpose::Approve { .. } => say("record their word", "记录同意"),
        Purpose::Playbook { .. } => say("open it", "打开"),
        Purpose::Gate { .. } => say("decide", "裁决"),
        Purpose::Shell => super::shell::BACK_TO_DIALOG,
        Purpose::Unrecorded => say("override", "强制"),
        Purpose::Outside => say("override the window", "强制越过窗口"),
        Purpose::Abandon => say("give the run up", "放弃执行"),
    }
}

pub(in crate::ui) fn standing(lang: Lang, (line, column): (usize, usize), chars: usize) -> String {
    both!(
        lang,
        "line {line} column {column}   {chars} characters   paste is safe here",
        "第 {line} 行 第 {column} 列   {chars} 字   可安全粘贴"
    )
}

pub(in crate::ui) fn keys(lang: Lang, then: Say) -> String {
    let then = then.to(lang);
    both!(
        lang,
        "Ctrl-S or F2: {then}    Esc: back, the text is kept",
        "Ctrl-S 或 F2：{then}    Esc：返回，文本保留"
    )
}
