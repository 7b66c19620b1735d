//! Every word on screen that is not data, in one room: each text beside its translation, so that
//! neither can be forgotten. What varies comes in as arguments; nothing is looked up by a string.
//!
//! One word for one thing. In Chinese: 回滚 (roll back), 护盖 (guard), 关口 (gate), 放行 and 否决
//! (GO and NO-GO), 操作员 (driver), 负责人 (owner), 复核人 (second person), 豁免 (waiver), 探针
//! (probe), 观察 (soak), 难以回退点 (point of no return). Commands, names, units of time, classes
//! and kinds of audit facts are the same in both.

use std::fmt;

use crate::base::{Timestamp, Zone};
use crate::engine::{Choice, Lamp, Level, RunKind, WindowEdge};
use crate::runbook::{Class, Window};

use super::header;
use super::model::{Model, Run};

/// Text that holds what it is about: the English one, and beside it the Chinese one.
macro_rules! both {
    ($lang:expr, $en:literal, $zh:literal $(,)?) => {
        match $lang {
            $crate::ui::text::Lang::En => format!($en),
            $crate::ui::text::Lang::Zh => format!($zh),
        }
    };
}

pub(super) mod audit;
pub(super) mod bottom;
pub(super) mod confirm;
pub(super) mod dry_run;
pub(super) mod edit;
pub(super) mod ends;
pub(super) mod failure;
pub(super) mod gate;
pub(super) mod guard;
pub(super) mod header_words;
pub(super) mod health;
pub(super) mod keys;
pub(super) mod label;
pub(super) mod line;
pub(super) mod log;
pub(super) mod pages;
pub(super) mod pick;
pub(super) mod prompt;
pub(super) mod readiness;
pub(super) mod recorded;
pub(super) mod refusal;
pub(super) mod said;
pub(super) mod shell;
pub(super) mod step;
pub(super) mod timeline;
pub(super) mod told;
pub(super) mod work;

pub(super) use said::*;
pub use shell::{SHELL_OPENING, shell_banner, shell_closed, shell_over};
pub use told::{asks_to_drive, cannot_suspend, not_recorded_so_not_done, session_gone};

/// The language of the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Simplified Chinese.
    Zh,
}

impl Lang {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::En, Self::Zh];

    /// Its tag: `en`, `zh-CN`.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh-CN",
        }
    }

    /// The language of a tag: `en`, `zh-CN` or `zh`, in any case. None for any other.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let short = if tag.eq_ignore_ascii_case("zh") { "zh-CN" } else { tag };
        Self::ALL.into_iter().find(|lang| lang.tag().eq_ignore_ascii_case(short))
    }

    /// The language that a locale asks for: `zh_CN.UTF-8` and every other `zh` but those of
    /// traditional characters mean Chinese, all else English. Chinese needs UTF-8.
    pub fn of_locale(locale: &str) -> Self {
        let locale = locale.to_ascii_lowercase().replace('_', "-");
        let utf8 = locale.contains("utf-8") || locale.contains("utf8");
        let name = locale.split(['.', '@']).next().unwrap_or_default();
        let mut parts = name.split('-');
        let chinese = parts.next() == Some("zh");
        let traditional = parts.any(|part| matches!(part, "hant" | "tw" | "hk" | "mo"));
        if utf8 && chinese && !traditional { Self::Zh } else { Self::En }
    }

    /// The next one: the key that switches goes round.
    #[must_use]
    pub const fn next(self) -> Self {
        match self {
            Self::En => Self::Zh,
            Self::Zh => Self::En,
        }
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.tag())
    }
}

/// A text and its translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Say {
    en: &'static str,
    zh: &'static str,
}

/// The same text in both languages.
pub(super) const fn say(en: &'static str, zh: &'static str) -> Say {
    Say { en, zh }
}

impl Say {
    /// Nothing.
    pub(super) const NONE: Self = say("", "");

    /// It in this language.
    pub const fn to(self, lang: Lang) -> &'static str {
        match lang {
            Lang::En => self.en,
            Lang::Zh => self.zh,
        }
    }

    /// It in this language, as a text of its own.
    pub(super) fn own(self, lang: Lang) -> String {
        self.to(lang).to_owned()
    }

    /// Whether there is nothing to say.
    pub(super) const fn is_empty(self) -> bool {
        self.en.is_empty()
    }
}

/// Something said in answer to a key: in every language, as the answer outlives a switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    en: String,
    zh: String,
}

impl Told {
    /// What `words` says in each language.
    pub(super) fn of<F: Fn(Lang) -> String>(words: F) -> Self {
        Self { en: words(Lang::En), zh: words(Lang::Zh) }
    }

    /// It in this language.
    pub fn to(&self, lang: Lang) -> &str {
        match lang {
            Lang::En => &self.en,
            Lang::Zh => &self.zh,
        }
    }
}

impl From<Say> for Told {
    fn from(say: Say) -> Self {
        Self::of(|lang| say.own(lang))
    }
}

/// Data: it is the same in every language.
impl From<&str> for Told {
    fn from(data: &str) -> Self {
        Self { en: data.to_owned(), zh: data.to_owned() }
    }
}

/// Data: it is the same in every language.
impl From<String> for Told {
    fn from(data: String) -> Self {
        Self { en: data.clone(), zh: data }
    }
}

// Counts.

/// `1 host`, `6 hosts`; `6 台主机`.
fn counted(lang: Lang, n: usize, (one, many): (&str, &str), zh: &str) -> String {
    match (lang, n) {
        (Lang::En, 1) => format!("1 {one}"),
        (Lang::En, n) => format!("{n} {many}"),
        (Lang::Zh, n) => format!("{n} {zh}"),
    }
}

pub(super) fn hosts(lang: Lang, n: usize) -> String {
    counted(lang, n, ("host", "hosts"), "台主机")
}

pub(super) fn steps(lang: Lang, n: usize) -> String {
    counted(lang, n, ("step", "steps"), "个步骤")
}

// The environment, the state of the run, the words of lists.

/// The word of the environment: what the run would change.
pub(super) const fn kind(kind: RunKind) -> Say {
    match kind {
        RunKind::Live => say("PROD", "生产"),
        RunKind::Drill => say("DRILL", "演练"),
        RunKind::Rehearsal => say("REHEARSAL", "预演"),
    }
}

/// The environment in both languages, the one that is read first: nobody who drives or looks on
/// may take it for another.
pub(super) fn kind_in_both(of: RunKind, lang: Lang) -> String {
    format!("{} {}", kind(of).to(lang), kind(of).to(lang.next()))
}

/// What a line of a practice run begins with, so that nobody takes it for the real one.
pub(super) const fn prefix(kind: RunKind, lang: Lang) -> &'static str {
    let prefix = match kind {
        RunKind::Live => Say::NONE,
        RunKind::Drill => say("DRILL ", "演练 "),
        RunKind::Rehearsal => say("REHEARSAL ", "预演 "),
    };
    prefix.to(lang)
}

/// What the message row of a practice run says beside the rest.
pub(super) const fn practice(kind: RunKind, lang: Lang) -> &'static str {
    let practice = match kind {
        RunKind::Live => Say::NONE,
        RunKind::Drill => say("DRILL: ", "演练："),
        RunKind::Rehearsal => say("REHEARSAL: ", "预演："),
    };
    practice.to(lang)
}

pub(super) const fn run(run: Run) -> Say {
    match run {
        Run::Ready => say("READY", "就绪"),
        Run::Running => say("RUNNING", "执行中"),
        Run::Waiting => say("WAITING FOR YOU", "等待您确认"),
        Run::Hold => say("HOLD", "暂停"),
        Run::Failed => say("FAILED", "失败"),
        Run::FailedHold => say("FAILED - HOLD", "失败-暂停"),
        Run::GuardOpen => say("GUARD OPEN", "护盖已打开"),
        Run::RollingBack => say("ROLLING BACK", "回滚中"),
        Run::RollbackHeld => say("ROLLBACK HELD", "回滚暂停"),
        Run::RolledBack => say("ROLLED BACK", "已回滚"),
        Run::RolledBackUnverified => say("ROLLED BACK, NOT VERIFIED", "已回滚，未验证"),
        Run::Done => say("DONE", "完成"),
        Run::Abandoned => say("ABANDONED", "已放弃"),
    }
}

pub(super) const fn run_short(run: Run) -> Say {
    match run {
        Run::Waiting => say("WAITING", "等待确认"),
        Run::RolledBackUnverified => say("BACK, UNVERIFIED", "回滚未验证"),
        Run::Ready
        | Run::Running
        | Run::Hold
        | Run::Failed
        | Run::FailedHold
        | Run::GuardOpen
        | Run::RollingBack
        | Run::RollbackHeld
        | Run::RolledBack
        | Run::Done
        | Run::Abandoned => self::run(run),
    }
}

/// Where there is no way back that could be ready.
pub(super) const NO_LAMP: Say = say("--", "--");

/// Whether the way back is ready.
pub(super) const fn lamp(lamp: Lamp) -> Say {
    match lamp {
        Lamp::Ready => say("ready", "就绪"),
        Lamp::Unknown => say("UNKNOWN", "未知"),
        Lamp::NotReady => say("NOT READY", "未就绪"),
    }
}

pub(super) const fn choice(choice: Choice) -> Say {
    match choice {
        Choice::Go => say("GO", "放行"),
        Choice::NoGo => say("NO-GO", "否决"),
    }
}

/// How hard the way is confirmed that a key has taken. It is the word of the runbook.
pub(super) const fn class(class: Class) -> &'static str {
    match class {
        Class::Check => "check",
        Class::Change => "CHANGE",
        Class::Critical => "CRITICAL",
    }
}

/// `class: CHANGE`
pub(super) fn class_is(lang: Lang, class: &str) -> String {
    both!(lang, "class: {class}", "类别: {class}")
}

/// The word of a level of alarms.
pub(super) const fn level(level: Level) -> Say {
    match level {
        Level::Warning => say("WARNING", "告警"),
        Level::Caution => say("CAUTION", "警戒"),
        Level::Advisory => say("ADVISORY", "提示"),
    }
}

/// The day's name in two or four cells: `Tu`, `周二`.
pub(super) fn day(lang: Lang, zone: &Zone, at: Timestamp) -> String {
    match lang {
        Lang::En => zone.day(at),
        Lang::Zh => {
            let days = ["周一", "周二", "周三", "周四", "周五", "周六", "周日"];
            days.get(zone.weekday(at)).copied().unwrap_or_default().to_owned()
        }
    }
}

/// `the undo of `, before the name of a step.
pub(super) const fn undo_of(is_undo: bool, lang: Lang) -> &'static str {
    let undo = if is_undo { say("the undo of ", "撤销 ") } else { Say::NONE };
    undo.to(lang)
}

/// The same, where there is little room.
pub(super) const fn undo_short(is_undo: bool, lang: Lang) -> &'static str {
    let undo = if is_undo { say("undo of ", "撤销 ") } else { Say::NONE };
    undo.to(lang)
}

pub(super) const ESC_BACK: Say = say("back", "返回");
pub(super) const BY_HAND: Say = say("by hand", "人工");
pub(super) const NONE_YET: Say = say("none", "无");

/// That the window is shut.
pub(super) fn shut(m: &Model<'_>, edge: WindowEdge, window: &Window) -> String {
    let left = |from, to| header::countdown(crate::plan::signed(from, to));
    match edge {
        WindowEdge::Opens => {
            let (opens, left) = (m.minute(window.opens), left(m.now, window.opens));
            both!(m.lang, "THE WINDOW OPENS AT {opens} ({left})", "窗口 {opens} 才开放 ({left})")
        }
        WindowEdge::Closes => {
            let (closed, left) = (m.minute(window.closes), left(m.now, window.closes));
            both!(
                m.lang,
                "THE WINDOW CLOSED AT {closed} ({left})",
                "窗口已于 {closed} 关闭 ({left})"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lang;

    #[test]
    fn the_locale_decides() {
        for chinese in ["zh_CN.UTF-8", "zh_SG.utf8", "zh.UTF-8", "zh_Hans_CN.UTF-8"] {
            assert_eq!(Lang::of_locale(chinese), Lang::Zh, "{chinese}");
        }
        for other in ["", "C", "C.UTF-8", "en_US.UTF-8", "zh_CN.GB18030", "zh_TW.UTF-8", "zh_CN"] {
            assert_eq!(Lang::of_locale(other), Lang::En, "{other}");
        }
    }

    #[test]
    fn a_tag_names_a_language() {
        for lang in Lang::ALL {
            assert_eq!(Lang::of_tag(&lang.to_string()), Some(lang));
        }
        assert_eq!(Lang::of_tag("zh"), Some(Lang::Zh));
        assert_eq!(Lang::of_tag("ZH-cn"), Some(Lang::Zh));
        assert_eq!(Lang::of_tag("de"), None);
    }
}
