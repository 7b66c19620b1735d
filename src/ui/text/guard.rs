//! The rollback guard.

use super::{Lang, Say, counted, say, steps};

pub(in crate::ui) const NOTHING_SENT: Say = say("nothing has been sent", "尚未发送任何命令");
pub(in crate::ui) const TITLE: Say =
    say("ROLLBACK GUARD IS OPEN   nothing has been sent", "回滚：护盖已打开   尚未发送任何命令");
pub(in crate::ui) const ASKED: Say =
    say("ROLLBACK asked for, waiting for the journal", "已要求回滚，正在等待日志落盘");

// How far back.
pub(in crate::ui) const HOW_FAR: Say =
    say("ROLLBACK GUARD   how far back?", "回滚护盖   退到哪里？");
pub(in crate::ui) const ALL_THE_WAY: Say = say("ALL THE WAY", "全部回滚");
pub(in crate::ui) const PICK_KEYS: Say = say(
    "Enter  show that plan      Esc  back to the guard",
    "Enter  显示该计划      Esc  返回护盖",
);
pub(in crate::ui) const CHECKPOINT_WHAT: Say = say(
    "A checkpoint is the state right after its step. What \
     started since is undone, newest first, and can be run again; the steps before and after a whole \
     rollback are left out.",
    "检查点是其步骤刚结束时的状态。此后开始的步骤从最新的起逐个撤销，之后可以重跑；\
     全部回滚前后的附加步骤不执行。",
);
pub(in crate::ui) const PAST: Say = say("   PAST NO RETURN", "   已过难以回退点");

pub(in crate::ui) fn all_the_way(lang: Lang, items: usize, takes: &str) -> String {
    let items = steps(lang, items);
    both!(lang, "to the old system: {items}, about {takes}", "回到旧系统：{items}，约 {takes}")
}

pub(in crate::ui) fn checkpoint(
    lang: Lang,
    (step, reached): (&str, &str),
    (items, takes): (usize, &str),
    is_past: bool,
) -> String {
    let items = counted(lang, items, ("step to undo", "steps to undo"), "个步骤待撤销");
    let past = if is_past { PAST.to(lang) } else { "" };
    both!(
        lang,
        "after {step}, {reached}: {items}, about {takes}{past}",
        "{step} 之后，{reached}：{items}，约 {takes}{past}"
    )
}

// The facts.
pub(in crate::ui) fn remark(lang: Lang, items: usize, takes: &str) -> String {
    let items = steps(lang, items);
    format!("{items} {takes}")
}

pub(in crate::ui) fn not_up(lang: Lang, hosts: &str) -> String {
    both!(
        lang,
        "{hosts}: the items there will fail and say so; the others go on",
        "{hosts}：其上各项会失败并报告；其余照常进行"
    )
}

pub(in crate::ui) fn unrecorded(lang: Lang, why: &str) -> String {
    both!(
        lang,
        "NOT RECORDED: what is done is kept in memory only ({why})",
        "未记录：所做的一切只保留在内存中 ({why})"
    )
}

pub(in crate::ui) const NO_PROOF: Say = say(
    "if golive or this machine dies before it is recorded, nobody can prove what was done",
    "若 golive 或本机在补记之前中断，将无法证明做过什么",
);

pub(in crate::ui) fn back_to(lang: Lang, checkpoint: &str) -> String {
    both!(
        lang,
        "checkpoint {checkpoint}, and no further: the run can go on from there",
        "检查点 {checkpoint}，到此为止：之后可以从那里继续"
    )
}

pub(in crate::ui) fn past(lang: Lang, step: &str) -> String {
    both!(
        lang,
        "{step} has run: this is PAST THE POINT OF NO RETURN",
        "{step} 已执行：已过难以回退点"
    )
}

pub(in crate::ui) fn takes(
    lang: Lang,
    (should, most): (&str, Option<&str>),
    ends: &str,
    window: Option<(&str, &str)>,
) -> String {
    let takes = match most {
        Some(most) => both!(lang, "about {should}, at most {most}", "约 {should}，最多 {most}"),
        None => both!(lang, "about {should}", "约 {should}"),
    };
    let window = window.map(|(closes, spare)| {
        both!(
            lang,
            "   window closes {closes} ({spare} spare)",
            "   窗口 {closes} 关闭 (余量 {spare})"
        )
    });
    let window = window.unwrap_or_default();
    both!(lang, "{takes}, ends about {ends}{window}", "{takes}，约 {ends} 结束{window}")
}

pub(in crate::ui) fn stays(lang: Lang, step: &str, why: &str) -> String {
    both!(lang, "{step} cannot be undone: {why}", "{step} 不可撤销：{why}")
}

pub(in crate::ui) const NOTHING_TO_DO: Say =
    say("There is nothing to undo and nothing to do.", "没有可撤销的，也没有可做的。");
pub(in crate::ui) const FIVE_STAGES: Say = say(
    " #  stage: 1 stop the new  2 old code  3 old data  4 verify  5 tell everyone",
    " #  阶段：1 停新系统  2 恢复旧代码  3 恢复旧数据  4 验证  5 通知各方",
);

pub(in crate::ui) fn on(lang: Lang, hosts: &str) -> String {
    both!(lang, "        on {hosts}", "        在 {hosts}")
}

// The rows that are always seen.
pub(in crate::ui) const WAITING: Say = say("Waiting for the journal.", "正在等待日志落盘。");
/// Before the key of an override.
pub(in crate::ui) const PRESS: Say = say("press ", "按 ");
/// After the key of an override.
pub(in crate::ui) const TYPE_OVERRIDE: Say = say(
    " and type UNRECORDED and why; then the digits appear",
    "，输入 UNRECORDED 和原因；之后才显示数字",
);
pub(in crate::ui) const TYPE_BREAK_GLASS: Say =
    say("  write the break-glass reason; then the digits appear", "  写明破例原因；之后才显示数字");
pub(in crate::ui) const TO_START_TYPE: Say = say("To start, type:   ", "要开始，请输入：   ");
pub(in crate::ui) const THEN_COUNTS: Say =
    say("   then 3 s run down, any key stops it", "   随后倒计时 3 秒，按任意键停止");
pub(in crate::ui) const REASON_IS_OVERRIDE: Say =
    say("Reason   the reason of the override is the reason", "原因     以强制的原因为准");
pub(in crate::ui) const REASON_IS_BREAK_GLASS: Say =
    say("Reason   the break-glass reason is the reason", "原因     以破例的原因为准");
pub(in crate::ui) const NO_REASON: Say = say(
    "Reason   none yet: asked for after the digits, or w now",
    "原因     尚无：输入数字后询问，或现在按 w",
);

pub(in crate::ui) fn reason(lang: Lang, why: &str) -> String {
    both!(lang, "Reason   {why}   (w changes it)", "原因     {why}   (w 修改)")
}

pub(in crate::ui) fn keys(lang: Lang, left: u64) -> String {
    both!(
        lang,
        "Esc close  v in full  w reason  p checkpoint  Tab behind  closes in {left} s",
        "Esc 关闭  v 全文  w 原因  p 检查点  Tab 看背后  {left} 秒后关闭"
    )
}

// The count-down.
pub(in crate::ui) const STARTS: Say = say("ROLLBACK STARTS", "回滚即将开始");
pub(in crate::ui) const ANY_KEY: Say = say("any key stops it", "按任意键停止");

pub(in crate::ui) fn counts(lang: Lang, seconds: u64) -> String {
    both!(
        lang,
        "{seconds}  any key = stop, back to the guard. Nothing has been sent.",
        "{seconds}  按任意键停止，返回护盖。尚未发送任何命令。"
    )
}

pub(in crate::ui) fn facts(lang: Lang, items: usize, takes: &str, ends: &str) -> String {
    let items = steps(lang, items);
    both!(lang, "{items}, {takes}, ends {ends}", "{items}，{takes}，{ends} 结束")
}

pub(in crate::ui) fn first(lang: Lang, title: &str) -> String {
    both!(lang, "first: {title}", "首项：{title}")
}

pub(in crate::ui) fn because(lang: Lang, why: &str) -> String {
    both!(lang, "reason: {why}", "原因：{why}")
}

// In one line.
pub(in crate::ui) fn tiny_counts(lang: Lang, seconds: u64) -> String {
    both!(lang, "RB STARTS {seconds}  any key stops", "回滚倒计时 {seconds}  任意键停止")
}

pub(in crate::ui) const TINY_ASKED: Say = say("RB asked for", "已要求回滚");
pub(in crate::ui) const TINY_OVERRIDE: Say = say("w override", "w 强制");
pub(in crate::ui) const TINY_REASON: Say = say("w reason", "w 原因");

pub(in crate::ui) fn tiny(lang: Lang, items: usize, takes: &str, gesture: &str) -> String {
    both!(lang, "GUARD {items} steps {takes}  {gesture}", "护盖 {items} 步 {takes}  {gesture}")
}
