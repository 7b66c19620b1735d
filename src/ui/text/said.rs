//! Answers to a key, why a key does not do what it says, and the words of the message row.

use crate::engine::Refusal;

use super::{Lang, Say, Told, refusal, say};

// Why not.
pub(in crate::ui) const NOT_BEGUN: Say = say("the run has not begun", "尚未开始执行");
pub(in crate::ui) const ROLLBACK_BEGAN: Say = say(
    "a rollback has begun: going forward again is a new run",
    "回滚已开始：要再次上线须新建一次执行",
);
pub(in crate::ui) const IS_OVER: Say = say("the run is over", "本次执行已结束");
pub(in crate::ui) const SECOND_MISSES: Say =
    say("a second person has to agree first: p", "须先由复核人同意：p");
pub(in crate::ui) const GUARD_BLOCKS: Say = say("the rollback guard is open", "回滚护盖已打开");

pub(in crate::ui) fn not_recorded(lang: Lang, why: &str) -> String {
    both!(lang, "NOT RECORDED ({why}): no step can start", "未记录 ({why})：任何步骤都不能开始")
}

pub(in crate::ui) fn playbook_shut(lang: Lang, playbook: &str) -> String {
    both!(lang, "playbook {playbook} is not open", "预案 {playbook} 尚未打开")
}

pub(in crate::ui) fn is_already(lang: Lang, step: &str, status: &str) -> String {
    both!(lang, "{step} is {status}", "{step} 当前为“{status}”")
}

pub(in crate::ui) fn needs(lang: Lang, need: &str, status: &str) -> String {
    both!(lang, "it needs {need}, which is {status}", "它依赖 {need}，而 {need} 当前为“{status}”")
}

pub(in crate::ui) fn hold_blocks(lang: Lang, why: &str) -> String {
    both!(lang, "the run is on HOLD ({why}): H ends the hold", "执行已暂停 ({why})：按 H 解除")
}

// Where nothing is recorded.

/// The word that an override begins with.
pub(in crate::ui) const OVERRIDE_WORD: &str = "UNRECORDED";
pub(in crate::ui) const OVERRIDE_MEANS: Say = say(
    "Lets rollback and stop work unrecorded: nothing else, and on your word.",
    "只让回滚和中止在未记录时可用，其余一概不行；由您负责。",
);
pub(in crate::ui) const OVERRIDE_FORM: Say = say(
    "Begin with the word UNRECORDED, then write why: rollback and stop only, and on your word.",
    "先输入 UNRECORDED，再写原因：只放开回滚和中止，由您负责。",
);
pub(in crate::ui) const OVERRIDE_FIRST: Say = say(
    "NOT RECORDED: a step is stopped only after the override. Type it, then X again.",
    "未记录：须先强制放开才能中止步骤。请先输入，再按 X。",
);
pub(in crate::ui) const ALL_RECORDED: Say =
    say("Everything is recorded: there is nothing to override.", "一切均已记录，无需强制。");
pub(in crate::ui) const UNRECORDED: Say = say(
    "NOT RECORDED: nothing forward starts. W tries again. V overrides, for R and X.",
    "未记录：不能继续上线。W 再试一次；V 强制放开 R 和 X。",
);
pub(in crate::ui) const UNRECORDED_BACK: Say = say(
    "NOT RECORDED, by override: R rolls back, X stops, nothing else. W tries again.",
    "未记录，已强制：只能 R 回滚、X 中止。W 再试一次。",
);

// Messages in answer to a key.
pub(in crate::ui) const INPUT_METHOD: Say = say(
    "The input method is on: letters do nothing here. Digits, arrows, Enter, Esc, F1, F8 and F9 work.",
    "输入法已打开：字母键在此无效。数字、方向键、Enter、Esc、F1、F8、F9 可用。",
);
pub(in crate::ui) const FLOOD: Say =
    say("Too many keys at once: letters are locked for 1 second.", "按键过快：字母键锁定 1 秒。");
pub(in crate::ui) const PASTE_DROPPED: Say =
    say("Paste dropped: it goes into text fields only.", "粘贴已丢弃：只能粘贴到文本框。");
pub(in crate::ui) const NOT_HERE: Say =
    say("That key does nothing here. ? shows the keys.", "此键在这里无效。按 ? 查看按键。");
pub(in crate::ui) const STOPPED_COUNTDOWN: Say = say(
    "Count-down stopped. Nothing was sent. New digits.",
    "倒计时已停止，未发送任何命令。数字已更换。",
);
pub(in crate::ui) const WRONG_CODE: Say =
    say("Wrong code. New digits, after 1 second.", "数字不对。1 秒后给出新数字。");
pub(in crate::ui) const THREE_WRONG: Say = say(
    "Three wrong codes: the guard is closed, the run is on HOLD.",
    "三次输错：护盖已关闭，执行已暂停。",
);
pub(in crate::ui) const PLAN_CHANGED: Say = say(
    "The plan has changed: the marked lines are new, and so are the digits.",
    "回滚计划已变化：带标记的行是新的，数字也已更换。",
);
pub(in crate::ui) const GUARD_TIMED_OUT: Say = say(
    "No key for 60 s: the guard is closed, the run is on HOLD.",
    "60 秒无按键：护盖已关闭，执行已暂停。",
);
pub(in crate::ui) const READ_FIRST: Say = say(
    "Not all of it has been on screen: v shows the rest, then y works.",
    "内容尚未全部显示：先按 v 看完，再按 y。",
);
pub(in crate::ui) const NOT_OVER: Say = say(
    "The run is not over: h holds it and leaves, Esc stays.",
    "执行尚未结束：h 暂停并离开，Esc 留下。",
);
pub(in crate::ui) const TOO_SMALL: Say = say(
    "Too small to show what would be done: make the window larger, at least 40x10.",
    "窗口太小，无法显示将要执行的内容：请放大到至少 40x10。",
);
pub(in crate::ui) const NOTHING_RUNS: Say =
    say("Nothing of this step runs: there is nothing to stop.", "该步骤没有在执行，无可中止。");
pub(in crate::ui) const NOTHING_UNSEEN: Say = say(
    "Nothing of this step runs unseen: X stops what runs.",
    "该步骤没有失联的任务；要中止请按 X。",
);
pub(in crate::ui) const DRAFT_KEPT: Say = say("The text is kept as a draft.", "文本已保留为草稿。");
pub(in crate::ui) const EMPTY: Say = say("Nothing is written yet.", "还没有写任何内容。");
pub(in crate::ui) const MUTED: Say = say("The bell is off for 10 minutes.", "铃声已静音 10 分钟。");
pub(in crate::ui) const TOO_SOON: Say = say(
    "H again within 1 second: taken for a bounce. The hold stays.",
    "1 秒内又按 H：视为误触，仍然暂停。",
);
pub(in crate::ui) const CTRL_C: Say = say(
    "Ctrl-C stops nothing. H holds, X stops a step, q leaves. Ctrl-C 3 times in 2 s: HOLD and leave.",
    "Ctrl-C 不会停止任何东西。H 暂停，X 中止步骤，q 离开。2 秒内按 3 次：暂停并离开。",
);
pub(in crate::ui) const CTRL_Z: Say = say(
    "Ctrl-Z suspends nothing: a run must not stop with its screen. H holds, q leaves.",
    "Ctrl-Z 不会挂起：执行不能随屏幕停下。H 暂停，q 离开。",
);
pub(in crate::ui) const NO_HIT: Say = say("No hit.", "没有匹配。");
pub(in crate::ui) const COPIED: Say = say("Copied.", "已复制。");
pub(in crate::ui) const ALREADY_BACK: Say = say(
    "A rollback has begun already. H holds it between its steps.",
    "回滚已经开始。按 H 可在步骤之间暂停。",
);
pub(in crate::ui) const CHOOSE_FIRST: Say =
    say("Choose a letter first, then y.", "请先选一个字母，再按 y。");
pub(in crate::ui) const TICK_FIRST: Say =
    say("Tick every item of the checklist first.", "请先勾选检查单的每一项。");
pub(in crate::ui) const FACTS_CHANGED: Say = say(
    "The facts have changed since you looked: they are marked. y again decides on them.",
    "您查看之后情况有变，已标出。再按 y 即据此决定。",
);
pub(in crate::ui) const NOT_HEARD: Say =
    say("GO is not possible: the poll is not met yet.", "还不能放行：投票尚未达到要求。");
pub(in crate::ui) const NOTHING_TO_WAIVE: Say =
    say("Every criterion holds, or is waived.", "各项条件均已满足或已豁免。");
pub(in crate::ui) const WAIVER_HOW: Say =
    say("Begin with how long: 30m the reason", "先写时长：30m 原因");
pub(in crate::ui) const NO_PLAYBOOK: Say =
    say("This runbook has no emergency procedure.", "此操作手册没有应急预案。");
pub(in crate::ui) const NO_CHECKPOINT: Say = say(
    "The run has not reached a checkpoint since when anything started.",
    "尚未到达检查点，或到达后还没有步骤开始。",
);
pub(in crate::ui) const NOBODY_HAS_TO: Say =
    say("Nobody has to agree to this.", "此处无需他人同意。");
pub(in crate::ui) const RECORD_ANSWER: Say = say(
    "An answer is for the role under the cursor: j k.",
    "答复记在光标所在的角色名下：用 j k 选择。",
);
pub(in crate::ui) const TYPE_DIGITS: Say = say(
    "This step is critical: type the two digits instead of y.",
    "这是 critical 步骤：请输入两位数字，而不是 y。",
);
pub(in crate::ui) const NOT_OFFERED: Say =
    say("That choice is not possible for this step.", "该步骤不能这样处理。");
pub(in crate::ui) const NOT_SKIPPABLE: Say =
    say("The runbook says that this may not be skipped.", "操作手册规定此步骤不可跳过。");
pub(in crate::ui) const THREE_WRONG_STEP: Say = say(
    "Three wrong codes: the dialog is closed, nothing was sent.",
    "三次输错：对话框已关闭，未发送任何命令。",
);

/// Why the session did not do what was asked.
pub(in crate::ui) fn refused(why: &Refusal) -> Told {
    Told::of(|lang| not_possible(lang, &refusal::words(lang, why)))
}

pub(in crate::ui) fn not_possible(lang: Lang, why: &str) -> String {
    both!(lang, "Not possible: {why}.", "不能这样做：{why}。")
}

pub(in crate::ui) fn not_possible_now(lang: Lang, why: &str) -> String {
    both!(lang, "Not possible now: {why}.", "现在不能这样做：{why}。")
}

pub(in crate::ui) fn committed(step: &str) -> Told {
    Told::of(|lang| {
        both!(
            lang,
            "{step} has ended the right to roll back (commit): go forward.",
            "{step} (commit) 之后不能再回滚，只能向前修复。"
        )
    })
}

// What the message row says while a dialog is open.
pub(in crate::ui) const EDITING: Say = say(
    "EDITING: keys are text. F8 = HOLD and F9 = ROLLBACK guard work even here.",
    "正在编辑：按键即文字。F8 暂停、F9 回滚护盖在此仍可用。",
);
pub(in crate::ui) const UNSENT: Say = say(
    "Waiting for you. Nothing is sent before you confirm. HOLD and ROLLBACK work here too.",
    "等待您确认。确认之前不发送任何命令。此处也可暂停和回滚。",
);
pub(in crate::ui) const CHOOSE: Say = say(
    "Nothing starts until you choose: a letter, then y.",
    "您选择之前什么都不会开始：先按字母，再按 y。",
);
pub(in crate::ui) const UNDECIDED: Say = say(
    "The gate is open: nothing behind it starts before GO.",
    "关口待定：放行之前，其后的步骤都不会开始。",
);

pub(in crate::ui) fn starts_in(lang: Lang, seconds: u64) -> String {
    both!(
        lang,
        "ROLLBACK starts in {seconds} s. Any key stops it. Nothing has been sent.",
        "{seconds} 秒后开始回滚。按任意键停止。尚未发送任何命令。"
    )
}
