//! What keys are called: in the key bar, and on the help page.

use super::{Say, say};

/// The words of a key.
#[derive(Clone, Copy, Debug)]
pub(in crate::ui) struct Words {
    /// For the key bar.
    pub(in crate::ui) short: Say,
    /// For the help page.
    pub(in crate::ui) long: Say,
}

const fn key(short: Say, long: Say) -> Words {
    Words { short, long }
}

pub(in crate::ui) const ABANDON: Words = key(
    say("abandon", "放弃"),
    say("give the run up without a rollback: asks first", "放弃执行且不回滚：先询问"),
);
pub(in crate::ui) const ACCEPT: Words = key(
    say("accept", "接受"),
    say("after a failure: accept it, with a reason", "失败后：接受失败，写明原因"),
);
pub(in crate::ui) const ACKNOWLEDGE: Words =
    key(say("acknowledge", "确认"), say("acknowledge the alarms", "确认报警"));
pub(in crate::ui) const ALL_STEPS: Words =
    key(say("steps", "全部步骤"), say("all steps, or this one", "全部步骤，或只看本步骤"));
pub(in crate::ui) const AUTO_ADVANCE: Words = key(
    say("auto-advance", "自动推进"),
    say("steps of class check start by themselves, or not", "check 类步骤自动开始，或不自动"),
);
pub(in crate::ui) const BACK: Words = key(
    say("back", "返回"),
    say("back; never stops a step, never quits", "返回；从不中止，也不退出"),
);
pub(in crate::ui) const BACK_HOME: Words =
    key(say("back", "返回"), say("to the current step, to the drive view", "回到当前步骤、总览"));
pub(in crate::ui) const BOTTOM: Words = key(say("last", "末行"), say("to the last", "到末行"));
pub(in crate::ui) const BY_HAND: Words =
    key(say("by hand", "标记完成"), say("done by hand, with a reason", "标记为人工完成，写明原因"));
pub(in crate::ui) const CARRY_OUT: Words =
    key(say("do it", "执行"), say("carry the line out", "执行这一行"));
pub(in crate::ui) const CHECKPOINTS: Words = key(
    say("checkpoint", "检查点"),
    say("in the guard: only back to a checkpoint", "护盖中：只退到检查点"),
);
pub(in crate::ui) const CLEAR_FILTER: Words =
    key(say("clear", "清除"), say("no search, no filter", "清除查找和筛选"));
pub(in crate::ui) const CLOSE: Words = key(
    say("close", "关闭"),
    say("close a session that is over, and leave", "关闭已结束的会话并离开"),
);
pub(in crate::ui) const COARSER: Words =
    key(say("coarser", "缩小"), say("timeline: longer columns", "时间线：每列更长"));
pub(in crate::ui) const COMMAND_LINE: Words = key(
    say("command", "命令"),
    say("golive's own commands by name, never a shell", "按名称输入 golive 的命令，不是 Shell"),
);
pub(in crate::ui) const COMPLETE: Words =
    key(say("complete", "补全"), say("complete the word", "补全单词"));
pub(in crate::ui) const COPY_HITS: Words =
    key(say("copy hits", "复制匹配"), say("copy all hits", "复制全部匹配"));
pub(in crate::ui) const COPY_LINE: Words =
    key(say("copy", "复制"), say("copy the line", "复制本行"));
pub(in crate::ui) const DOWN: Words = key(say("down", "下移"), say("down", "下移"));
pub(in crate::ui) const EARLIER: Words =
    key(say("earlier", "更早"), say("timeline: earlier", "时间线：更早"));
pub(in crate::ui) const EDIT: Words = key(
    say("edit", "修改"),
    say(
        "edit a step's command for this run; shown, not sent",
        "修改本次执行的命令；只显示，不发送",
    ),
);
pub(in crate::ui) const FIND: Words =
    key(say("find", "查找"), say("find in the log", "在日志中查找"));
pub(in crate::ui) const FIND_NEXT: Words =
    key(say("next hit", "下一处"), say("next hit", "下一处匹配"));
pub(in crate::ui) const FIND_PREV: Words =
    key(say("hit before", "上一处"), say("hit before", "上一处匹配"));
pub(in crate::ui) const FINER: Words =
    key(say("finer", "放大"), say("timeline: shorter columns", "时间线：每列更短"));
pub(in crate::ui) const FOLLOW: Words =
    key(say("follow", "跟随"), say("follow the log again", "重新跟随日志"));
pub(in crate::ui) const FULL: Words =
    key(say("all of it", "全文"), say("every command in full", "显示每条命令全文"));
pub(in crate::ui) const GO: Words = key(say("GO", "放行"), say("gate: GO", "关口：放行"));
pub(in crate::ui) const GO_WORDS: Words =
    key(say("words", "附言"), say("gate: a GO with words", "关口：放行并附言"));
pub(in crate::ui) const GUARD: Words = key(
    say("ROLLBACK (guarded)", "回滚(有护盖)"),
    say("ROLLBACK guard: shows the plan, sends nothing", "回滚护盖：显示计划，不发送命令"),
);
pub(in crate::ui) const GUARD_HERE: Words =
    key(say("ROLLBACK (guarded)", "回滚(有护盖)"), say("ROLLBACK guard", "回滚护盖"));
pub(in crate::ui) const HELP: Words = key(say("help", "帮助"), say("this help", "本帮助"));
pub(in crate::ui) const HOLD: Words = key(
    say("HOLD", "暂停"),
    say("HOLD: start nothing new; again: go on", "暂停：不再开始新步骤；再按继续"),
);
pub(in crate::ui) const HOLD_AND_LEAVE: Words =
    key(say("hold and leave", "暂停并离开"), say("hold and leave", "暂停并离开"));
pub(in crate::ui) const HOLD_AND_LOOK: Words =
    key(say("hold", "暂停"), say("after a failure: hold and look", "失败后：暂停并查看"));
pub(in crate::ui) const HOLD_HERE: Words = key(say("HOLD", "暂停"), say("HOLD", "暂停"));
pub(in crate::ui) const HOST_FILTER: Words =
    key(say("host", "主机"), say("one host after the other, then all", "逐台主机，再到全部"));
pub(in crate::ui) const LANGUAGE: Words =
    key(say("Chinese", "English"), say("the screen in Chinese", "换成英文界面 (English)"));
pub(in crate::ui) const LATER: Words =
    key(say("later", "更晚"), say("timeline: later", "时间线：更晚"));
pub(in crate::ui) const LEAVE: Words =
    key(say("leave", "离开"), say("leave: asks first", "离开：先询问"));
pub(in crate::ui) const LET_GO: Words = key(
    say("let go", "不再跟踪"),
    say(
        "look no further for a step that runs unseen: asks why first",
        "不再跟踪失联的步骤：先问原因",
    ),
);
pub(in crate::ui) const MUTE: Words =
    key(say("mute", "静音"), say("no bell for 10 min", "静音 10 分钟"));
pub(in crate::ui) const NEWER: Words =
    key(say("line after", "下一行"), say("the line after", "后一行"));
pub(in crate::ui) const NEXT_ERROR: Words =
    key(say("next error", "下个错误"), say("next error in the log", "日志中的下一个错误"));
pub(in crate::ui) const NEXT_PANE: Words =
    key(say("next pane", "下一栏"), say("next pane", "下一栏"));
pub(in crate::ui) const NEXT_STEP: Words =
    key(say("next step", "下一步骤"), say("next step", "下一步骤"));
pub(in crate::ui) const NOTE: Words = key(say("note", "备注"), say("write a note", "写备注"));
pub(in crate::ui) const NO_GO: Words =
    key(say("NO-GO", "否决"), say("gate: NO-GO, with a reason", "关口：否决，写明原因"));
pub(in crate::ui) const OLDER: Words =
    key(say("line before", "上一行"), say("the line before", "前一行"));
pub(in crate::ui) const ONLY_HITS: Words =
    key(say("only hits", "仅匹配"), say("only the hits", "只显示匹配的行"));
pub(in crate::ui) const ONLY_LATE: Words =
    key(say("only late", "只看延误"), say("timeline: only what ends late", "时间线：只看延误的"));
pub(in crate::ui) const OPEN: Words = key(
    say("open", "打开"),
    say("open the step or its dialog; never runs", "打开步骤或对话框；从不执行"),
);
pub(in crate::ui) const OPEN_PICK: Words = key(
    say("open", "打开"),
    say("open what is under the cursor; never runs", "打开光标所在项；从不执行"),
);
pub(in crate::ui) const PAGE_DOWN: Words =
    key(say("page down", "下翻页"), say("page down", "下翻页"));
pub(in crate::ui) const PAGE_UP: Words = key(say("page up", "上翻页"), say("page up", "上翻页"));
pub(in crate::ui) const PEEK: Words =
    key(say("peek", "看背后"), say("look behind the guard", "看护盖背后的画面"));
pub(in crate::ui) const PLAYBOOKS: Words = key(
    say("playbooks", "应急预案"),
    say("emergency procedures: shows them, runs nothing", "应急预案：只显示，不执行"),
);
pub(in crate::ui) const PREV_ERROR: Words =
    key(say("error before", "上个错误"), say("error before", "上一个错误"));
pub(in crate::ui) const PREV_PANE: Words =
    key(say("pane before", "上一栏"), say("pane before", "上一栏"));
pub(in crate::ui) const PREV_STEP: Words =
    key(say("step before", "上一步骤"), say("step before", "上一步骤"));
pub(in crate::ui) const RECALL: Words =
    key(say("recall", "复查"), say("all alarms of this run", "复查本次执行的全部报警"));
pub(in crate::ui) const RECHECK: Words = key(
    say("check again", "重新验证"),
    say("after a failure: only verify again", "失败后：只重做验证"),
);
pub(in crate::ui) const REDRAW: Words =
    key(say("draw again", "重画"), say("draw again", "重画屏幕"));
pub(in crate::ui) const RETRY_ALL: Words = key(
    say("retry all", "全部重试"),
    say("after a failure: retry on all hosts", "失败后：在全部主机重试"),
);
pub(in crate::ui) const RETRY_FAILED: Words = key(
    say("retry", "重试"),
    say("after a failure: retry where it failed", "失败后：在失败处重试"),
);
pub(in crate::ui) const SAVE: Words = key(say("done", "完成"), say("finish a text", "写完文本"));
pub(in crate::ui) const SECOND: Words =
    key(say("second person", "复核人"), say("who agrees, where two have to", "需双人时：谁同意"));
pub(in crate::ui) const SHUT_PLAYBOOK: Words =
    key(say("close it", "关闭预案"), say("close a playbook", "关闭应急预案"));
pub(in crate::ui) const SHELL: Words = key(
    say("shell", "Shell"),
    say("a shell on a host, recorded: asks first", "在主机上打开 Shell，有记录：先询问"),
);
pub(in crate::ui) const SKIP: Words =
    key(say("skip", "跳过"), say("skip, with a reason", "跳过，写明原因"));
pub(in crate::ui) const SPEAKER: Words = key(
    say("who", "换人"),
    say("gate: somebody else of the role speaks", "关口：由该角色的另一人答复"),
);
pub(in crate::ui) const STOP_STEP: Words = key(
    say("stop step", "中止步骤"),
    say("stop the running step: asks first", "中止执行中的步骤：先询问"),
);
pub(in crate::ui) const TICK: Words =
    key(say("tick", "勾选"), say("tick an item; 1-9 too", "勾选一项；1-9 亦可"));
pub(in crate::ui) const TIME_FORM: Words =
    key(say("time", "时间"), say("site time, UTC, T+", "当地时间、UTC、T+"));
pub(in crate::ui) const TOP: Words = key(say("first", "首行"), say("to the first", "到首行"));
pub(in crate::ui) const TRY_RECORD: Words = key(
    say("record again", "再记录"),
    say("nothing is recorded: try again now", "未记录时：立即再试"),
);
pub(in crate::ui) const UNRECORDED: Words = key(
    say("override", "强制"),
    say(
        "nothing is recorded: type that rollback and stop work all the same",
        "未记录时：放开回滚和中止",
    ),
);
pub(in crate::ui) const UP: Words = key(say("up", "上移"), say("up", "上移"));
pub(in crate::ui) const VIEW: Words = key(
    say("views", "视图"),
    say(
        "1 drive 2 step 3 log 4 health 5 timeline 6 audit 7 notes",
        "1 总览 2 步骤 3 日志 4 健康 5 时间线 6 审计 7 备注",
    ),
);
pub(in crate::ui) const WAIVE: Words = key(
    say("waive", "豁免"),
    say("gate: waive a criterion for a while, with a reason", "关口：暂时豁免一项条件，写明原因"),
);
pub(in crate::ui) const WORDS: Words =
    key(say("reason", "原因"), say("write the reason", "填写原因"));
pub(in crate::ui) const WRAP: Words =
    key(say("wrap", "折行"), say("wrap long lines, or not", "长行折行，或不折"));
pub(in crate::ui) const YES: Words =
    key(say("run", "执行"), say("inside a dialog: do it", "对话框中：执行"));
pub(in crate::ui) const ZOOM: Words = key(
    say("zoom", "放大"),
    say("the pane on the whole screen, and back", "该栏占满全屏，再按还原"),
);
