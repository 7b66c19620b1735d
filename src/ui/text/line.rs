//! The command line: what each command does, and what is said of a line that cannot be carried out.

use super::{Lang, Say, Told, say};

/// What stands behind a command; the same in both languages, as the commands are.
pub(in crate::ui) const TAKES_STEP: &str = " STEP";
pub(in crate::ui) const MAY_TAKE_STEP: &str = " [STEP]";
pub(in crate::ui) const MAY_TAKE_HOST: &str = " [HOST]";
pub(in crate::ui) const MAY_TAKE_TEXT: &str = " [TEXT]";

pub(in crate::ui) const DRIVE: Say = say("the steps", "全部步骤");
pub(in crate::ui) const STEP: Say = say("one step, all of it", "一个步骤的全部内容");
pub(in crate::ui) const LOG: Say = say("what hosts print", "主机的输出");
pub(in crate::ui) const HEALTH: Say = say("the probes", "探针");
pub(in crate::ui) const TIMELINE: Say = say("plan and actual as bars", "计划与实际的时间线");
pub(in crate::ui) const AUDIT: Say = say("the record", "审计记录");
pub(in crate::ui) const NOTES: Say = say("the notes", "备注");
pub(in crate::ui) const ALARMS: Say = say("all alarms of the run", "本次执行的全部报警");
pub(in crate::ui) const PLAYBOOKS: Say = say("emergency procedures", "应急预案");
pub(in crate::ui) const GOTO: Say = say("the cursor to a step", "光标移到某个步骤");
pub(in crate::ui) const HOLD: Say = say("start nothing new", "不开始新的步骤");
pub(in crate::ui) const CONTINUE: Say = say("end the hold", "结束暂停");
pub(in crate::ui) const NOTE: Say = say("write a note", "写备注");
pub(in crate::ui) const ACK: Say = say("the alarms were seen", "确认报警");
pub(in crate::ui) const MUTE: Say = say("no bell for 10 min", "10 分钟不响铃");
pub(in crate::ui) const AUTO: Say = say("checks start alone, or not", "check 类自动开始，或不自动");
pub(in crate::ui) const STOP: Say = say("stop the step: asks", "中止步骤：先询问");
pub(in crate::ui) const ROLLBACK: Say = say("the guard, as R", "打开护盖，同 R");
pub(in crate::ui) const ABANDON: Say = say("give up: asks why", "放弃：先问原因");
pub(in crate::ui) const HELP: Say = say("all keys and commands", "全部按键和命令");
pub(in crate::ui) const LANG: Say = say("Chinese or English", "中文或英文 (English)");
pub(in crate::ui) const QUIT: Say = say("leave: asks first", "离开：先询问");
pub(in crate::ui) const RELOAD: Say = say("a changed runbook: how", "如何载入改过的操作手册");
pub(in crate::ui) const SHELL: Say = say("on a host, recorded: asks", "主机 Shell，有记录：先询问");
pub(in crate::ui) const EMPTY: Say = say(
    "a command of golive, never a shell.  Tab: all of them",
    "golive 的命令，不是 Shell。  Tab：列出全部",
);
pub(in crate::ui) const KEPT: Say =
    say("The line is kept: Up in the next one brings it back.", "已保留这一行：下次按 Up 取回。");
pub(in crate::ui) const LEAVE_KEPT: Say = say("leave it, kept", "离开，保留");
pub(in crate::ui) const WHICH_STEP: Say =
    say("Which step? goto STEP, by its name or its number.", "哪个步骤？goto STEP，用名称或编号。");
pub(in crate::ui) const NOT_HELD: Say =
    say("The run is not on HOLD: there is nothing to continue.", "执行没有暂停：无需继续。");
pub(in crate::ui) const COMMANDS: Say = say("COMMANDS, after :", "命令，在 : 之后");
pub(in crate::ui) const RELOAD_HOW: Say = say(
    "A changed runbook is taken in from outside: q leaves, then golive resume --reload FILE.",
    "改过的操作手册从外部载入：q 离开，然后 golive resume --reload FILE。",
);

pub(in crate::ui) fn no_order(lang: Lang, word: &str, near: Option<&str>) -> String {
    match near {
        Some(near) => both!(
            lang,
            "There is no command `{word}`: did you mean `{near}`?",
            "没有命令 `{word}`：是 `{near}` 吗？"
        ),
        None => both!(
            lang,
            "There is no command `{word}`: Tab shows them all.",
            "没有命令 `{word}`：Tab 列出全部。"
        ),
    }
}

pub(in crate::ui) fn takes_nothing(word: &str) -> Told {
    Told::of(|lang| {
        both!(
            lang,
            "Nothing was done: `{word}` takes no words after it.",
            "未执行任何操作：`{word}` 后面不能有内容。"
        )
    })
}

pub(in crate::ui) fn no_step(name: &str, near: Option<&str>) -> Told {
    Told::of(|lang| match near {
        Some(near) => both!(
            lang,
            "There is no step `{name}`: did you mean `{near}`?",
            "没有步骤 `{name}`：是 `{near}` 吗？"
        ),
        None => both!(
            lang,
            "There is no step `{name}` in this runbook.",
            "此操作手册中没有步骤 `{name}`。"
        ),
    })
}

pub(in crate::ui) fn step_not_listed(step: &str) -> Told {
    Told::of(|lang| both!(lang, "{step} is no step of this rollback.", "{step} 不在本次回滚中。"))
}

pub(in crate::ui) fn held_already(why: &str) -> Told {
    Told::of(|lang| {
        both!(
            lang,
            "The run is on HOLD already ({why}). `continue` ends it.",
            "执行已暂停({why})。`continue` 结束暂停。"
        )
    })
}
