//! The words of the rows that never leave the screen. Each has a form for little room.

use super::{Lang, Say, say};

/// How much room a word of the header has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ui) enum Room {
    /// 110 columns and more.
    Wide,
    /// 76 columns and more.
    Medium,
    /// Less than that.
    Tight,
}

/// The parts of a count-down that a word is made of: what is left, or what it is over.
#[derive(Clone, Copy, Debug)]
pub(in crate::ui) struct Left<'a> {
    /// `-01:52:23`, `+00:03:12`.
    pub(in crate::ui) clock: &'a str,
    /// Whether the moment is past.
    pub(in crate::ui) is_over: bool,
}

impl Left<'_> {
    /// The clock without its sign, for words that say the direction themselves.
    fn bare(&self) -> &str {
        self.clock.trim_start_matches(['-', '+'])
    }

    /// `剩01:52:23`, `超00:03:12`.
    fn zh(&self) -> String {
        format!("{}{}", if self.is_over { "超" } else { "剩" }, self.bare())
    }
}

pub(in crate::ui) const AUDIT_OK: Say = say("AUDIT ok", "审计正常");
pub(in crate::ui) const NOT_RECORDED: Say = say("NOT RECORDED", "未记录");
pub(in crate::ui) const OVERRIDDEN: Say = say("NOT RECORDED, OVERRIDE", "未记录，已强制");
pub(in crate::ui) const OVERRIDDEN_SHORT: Say = say("NOT RECORDED, OVR", "未记录·强制");
pub(in crate::ui) const UNSIGNED: Say = say("! UNSIGNED", "! 未签名");
pub(in crate::ui) const TOUCH: Say = say("TOUCH KEY", "请触碰密钥");
pub(in crate::ui) const ON_TIME: Say = say("on time", "准时");
pub(in crate::ui) const NO_WINDOW: Say = say("NO WINDOW", "无窗口");
pub(in crate::ui) const NO_WINDOW_SHORT: Say = say("W--", "窗--");

/// `AUDIT ok #1482`
pub(in crate::ui) fn audit_ok(lang: Lang, seq: u64) -> String {
    both!(lang, "AUDIT ok #{seq}", "审计正常#{seq}")
}

/// `12 facts`
pub(in crate::ui) fn facts(lang: Lang, n: u64) -> String {
    super::counted(lang, usize::try_from(n).unwrap_or(usize::MAX), ("fact", "facts"), "条记录")
}

pub(in crate::ui) fn in_memory(lang: Lang, facts: &str, why: &str) -> String {
    both!(lang, "{facts} in memory only: {why}", "{facts}仅在内存：{why}")
}

pub(in crate::ui) fn driver_left(lang: Lang, gone: &str) -> String {
    both!(lang, "DRIVER LEFT {gone}", "操作员已离开 {gone}")
}

/// The same where there is little room: without seconds.
pub(in crate::ui) fn driver_left_short(lang: Lang, gone: &str) -> String {
    let gone = gone.rsplit_once(':').map_or(gone, |(minutes, _)| minutes);
    both!(lang, "LEFT {gone}", "离开{gone}")
}

/// `RB 2/9`, of a rollback.
pub(in crate::ui) fn back_count(lang: Lang, done: usize, all: usize) -> String {
    both!(lang, "RB {done}/{all}", "回滚 {done}/{all}")
}

/// `T+03:14:37`; `已用03:14:37`.
pub(in crate::ui) fn elapsed(lang: Lang, clock: &str, room: Room) -> String {
    match (lang, room) {
        (Lang::En, _) => format!("T+{clock}"),
        (Lang::Zh, Room::Wide | Room::Medium) => format!("已用{clock}"),
        // There the seconds have no room.
        (Lang::Zh, Room::Tight) => format!("T+{}", clock.get(..5).unwrap_or(clock)),
    }
}

pub(in crate::ui) fn plan(lang: Lang, delta: &str) -> String {
    both!(lang, "PLAN {delta}", "计划 {delta}")
}

pub(in crate::ui) fn window_opens(lang: Lang, left: Left<'_>, room: Room) -> String {
    let (clock, bare) = (left.clock, left.bare());
    match (lang, room) {
        (Lang::En, Room::Wide) => format!("WINDOW OPENS {clock}"),
        (Lang::En, Room::Medium | Room::Tight) => format!("W opens {clock}"),
        (Lang::Zh, Room::Wide) => format!("窗口 {bare} 后开放"),
        (Lang::Zh, Room::Medium | Room::Tight) => format!("距窗口{bare}"),
    }
}

pub(in crate::ui) fn window(lang: Lang, left: Left<'_>, closes: &str, room: Room) -> String {
    let clock = left.clock;
    match (lang, room) {
        (Lang::En, Room::Wide) => format!("WINDOW {clock} to {closes}"),
        (Lang::En, Room::Medium | Room::Tight) => format!("W{clock}"),
        (Lang::Zh, Room::Wide) if left.is_over => format!("窗口超时{} 至{closes}", left.bare()),
        (Lang::Zh, Room::Wide) => format!("窗口剩余{} 至{closes}", left.bare()),
        (Lang::Zh, Room::Medium | Room::Tight) => format!("窗口{}", left.zh()),
    }
}

/// The same on a pocket screen, where everything is in one row: without seconds.
pub(in crate::ui) fn window_pocket(lang: Lang, left: Left<'_>) -> String {
    let (clock, zh) = (left.clock, left.zh());
    both!(lang, "W{clock}", "窗{zh}")
}

/// The last moment of a safe rollback on a pocket screen.
pub(in crate::ui) fn back_pocket(lang: Lang, left: Left<'_>, by: &str) -> String {
    let (clock, zh) = (left.clock, left.zh());
    both!(lang, "RB{clock} {by}", "回{by}{zh}")
}

/// When a rollback ends, or has ended.
pub(in crate::ui) fn ends(lang: Lang, at: &str, over: bool, spare: Option<&str>) -> String {
    let spare = match (lang, spare) {
        (_, None) => String::new(),
        (Lang::En, Some(spare)) => format!(" spare {spare}"),
        (Lang::Zh, Some(spare)) => format!(" 余量{spare}"),
    };
    match (lang, over) {
        (Lang::En, false) => format!("ENDS {at}{spare}"),
        (Lang::En, true) => format!("ENDED {at}{spare}"),
        (Lang::Zh, false) => format!("约{at}结束{spare}"),
        (Lang::Zh, true) => format!("{at}已结束{spare}"),
    }
}

pub(in crate::ui) fn committed(lang: Lang, room: Room) -> String {
    match (lang, room) {
        (Lang::En, Room::Wide) => "COMMITTED: no rollback",
        (Lang::En, Room::Medium | Room::Tight) => "COMMITTED",
        (Lang::Zh, Room::Wide) => "已提交：不能回滚",
        (Lang::Zh, Room::Medium | Room::Tight) => "不能回滚",
    }
    .to_owned()
}

/// How long a rollback takes, where no window bounds it.
pub(in crate::ui) fn back_takes(lang: Lang, takes: &str, room: Room) -> String {
    match (lang, room) {
        (Lang::En, Room::Wide) => format!("ROLL BACK takes {takes}"),
        (Lang::En, Room::Medium | Room::Tight) => format!("RB takes {takes}"),
        (Lang::Zh, _) => format!("回滚需 {takes}"),
    }
}

/// The last moment of a safe rollback.
pub(in crate::ui) fn back_by(lang: Lang, left: Left<'_>, by: &str, room: Room) -> String {
    let clock = left.clock;
    match (lang, room, left.is_over) {
        (Lang::En, Room::Wide, false) => format!("ROLL BACK BY {by}  {clock}"),
        (Lang::En, Room::Medium | Room::Tight, false) => format!("RB{clock} by {by}"),
        (Lang::En, Room::Wide, true) => format!("ROLL BACK BY {by} PAST {clock}"),
        (Lang::En, Room::Medium | Room::Tight, true) => format!("RB PAST {clock}"),
        (Lang::Zh, Room::Wide, _) => format!("最晚回滚 {by} {}", left.zh()),
        (Lang::Zh, Room::Medium, false) => format!("回滚{by} {}", left.zh()),
        (Lang::Zh, Room::Tight, false) => format!("回滚{by}{}", left.zh()),
        (Lang::Zh, Room::Medium | Room::Tight, true) => format!("回滚{}", left.zh()),
    }
}

/// The lamp of the way back.
pub(in crate::ui) fn lamp(lang: Lang, word: &str) -> String {
    both!(lang, "RB {word}", "回滚{word}")
}

/// The same in the rule of a wide screen.
pub(in crate::ui) fn way_back(lang: Lang, word: &str) -> String {
    both!(lang, " way back {word} ", " 回滚路径{word} ")
}

/// The recovery time, which has one name in every language.
pub(in crate::ui) fn recovery(clock: &str) -> String {
    format!("RTO{clock}")
}

/// The clock of a rollback.
pub(in crate::ui) fn back_clock(lang: Lang, spent: &str) -> String {
    both!(lang, "RB T+{spent}", "回滚T+{spent}")
}

/// Open warnings, cautions and advisories.
pub(in crate::ui) fn alarms(lang: Lang, (w, c, a): (usize, usize, usize), room: Room) -> String {
    match (lang, room) {
        (Lang::En, _) => format!("W{w} C{c} A{a}"),
        (Lang::Zh, Room::Wide | Room::Medium) => format!("告警{w} 警戒{c} 提示{a}"),
        (Lang::Zh, Room::Tight) => format!("告{w}戒{c}示{a}"),
    }
}

/// `hosts 14/14 ═ link 38ms ═ `, in the rule.
pub(in crate::ui) fn links(
    lang: Lang,
    up: usize,
    all: usize,
    (pattern, rtt): (&str, u64),
) -> String {
    let link = match (lang, rtt) {
        (_, 0) => String::new(),
        (Lang::En, rtt) => format!("link {rtt}ms {pattern} "),
        (Lang::Zh, rtt) => format!("延时 {rtt}ms {pattern} "),
    };
    both!(lang, " hosts {up}/{all} {pattern} {link}", " 主机 {up}/{all} {pattern} {link}")
}

// A screen that is too small for anything else.
pub(in crate::ui) const TINY_FIELD: Say = say("text field: Esc leaves", "文本框：Esc 离开");
pub(in crate::ui) const TINY_ALL: Say = say("80x24 to show everything.", "80x24 可显示全部。");
pub(in crate::ui) const TINY_KEYS: Say =
    say("H HOLD and R ROLLBACK still work.", "H 暂停、R 回滚仍可用。");
pub(in crate::ui) const TINY_GOES_ON: Say = say("The run goes on.", "执行照常进行。");

pub(in crate::ui) fn tiny(lang: Lang, width: u16, height: u16) -> String {
    both!(
        lang,
        "Screen is {width}x{height}. golive needs 40x10,",
        "屏幕 {width}x{height}，至少需要 40x10，"
    )
}
