//! Whether the way back would find what it needs. The English words are those of the engine.

use crate::base::SafeText;
use crate::engine::{Grounds, Missing, Need, Needed, Place, Proof, Readiness, Stand};

use super::{Lang, Say, lamp, say};

pub(in crate::ui) fn is(lang: Lang, word: &str, why: &str) -> String {
    both!(lang, ". It is {word}: {why}", "。{word}：{why}")
}

/// Why it stands as it does.
pub(in crate::ui) fn why(lang: Lang, ready: &Readiness) -> String {
    if lang == Lang::En {
        return ready.why.to_string();
    }
    match &ready.grounds {
        Grounds::Committed(step) => format!("{step} (commit) 之后不能再回滚"),
        Grounds::PastNoReturn(step) => format!("已过难以回退点 {step}"),
        Grounds::NothingToUndo => "没有可撤销的内容".to_owned(),
        Grounds::NoHost => "不需要任何主机".to_owned(),
        Grounds::Proved(all) => format!("回滚所需 {all} 项均已核实"),
        Grounds::Missing(need, more) => {
            let stand = ready.stands.iter().find(|stand| stand.need == *need);
            let first = stand.map(|stand| stand_words(lang, stand)).unwrap_or_default();
            if *more > 0 { format!("{first}，另有 {more} 项") } else { first }
        }
    }
}

/// What is needed and why it is not there.
pub(in crate::ui) fn stand_words(lang: Lang, stand: &Stand) -> String {
    let need = need(lang, &stand.need);
    let why = missing(lang, stand);
    both!(lang, "{need}: {why}", "{need}：{why}")
}

fn missing(lang: Lang, stand: &Stand) -> String {
    match (lang, stand.missing) {
        (Lang::En, _) | (Lang::Zh, None) => stand.why.to_string(),
        (Lang::Zh, Some(Missing::NotLooked)) => "尚未核实".to_owned(),
        (Lang::Zh, Some(Missing::NotCaptured)) => "尚缺一个取值".to_owned(),
        (Lang::Zh, Some(Missing::OtherKey)) => "出示了别的主机密钥".to_owned(),
        (Lang::Zh, Some(Missing::Unreachable)) => "无法连接".to_owned(),
    }
}

/// What the way back needs.
pub(in crate::ui) fn need(lang: Lang, need: &Need) -> String {
    if lang == Lang::En {
        return need.words();
    }
    let place = match &need.place {
        Place::Host(host) => host.as_str(),
        Place::Here => "本机",
    };
    match &need.what {
        Needed::Answer => format!("{place} 应答"),
        Needed::Become => format!("{place} 上的 become"),
        Needed::Check(step) => format!("撤销 {step} 在 {place} 所需"),
    }
}

/// What a look at a need gave.
pub(in crate::ui) fn proof(lang: Lang, proof: Option<&Proof>) -> String {
    match (lang, proof) {
        (Lang::En, _) => Proof::words(proof),
        (Lang::Zh, None) => "不再核实".to_owned(),
        (Lang::Zh, Some(Proof::Ready)) => "就绪".to_owned(),
        (Lang::Zh, Some(Proof::NotReady(why))) => format!("未就绪：{why}"),
        (Lang::Zh, Some(Proof::Unknown(why))) => format!("未知：{why}"),
    }
}

/// `NOT READY web1 answers: refused (since 02:14:03)`
pub(in crate::ui) fn line(lang: Lang, stand: &Stand, since: Option<&str>) -> String {
    let since = since.map(|at| both!(lang, " (since {at})", " ({at} 起)")).unwrap_or_default();
    format!("{} {}{since}", lamp(stand.lamp).to(lang), stand_words(lang, stand))
}

pub(in crate::ui) fn oldest(lang: Lang, age: &str) -> String {
    both!(lang, ", the oldest proof is {age} old", "，最早一项核实于 {age} 前")
}

pub(in crate::ui) fn not_proved(lang: Lang, word: &str, bad: usize, all: usize) -> String {
    both!(lang, "{word}: {bad} of {all} needs are not proved", "{word}：{all} 项中 {bad} 项未核实")
}

pub(in crate::ui) fn more(lang: Lang, n: usize) -> String {
    both!(lang, "and {n} more: v shows all of it", "另有 {n} 项：按 v 全部显示")
}

/// `ready: all 14 needs of the way back are proved`
pub(in crate::ui) fn word_why(lang: Lang, word: &str, why: &str) -> String {
    both!(lang, "{word}: {why}", "{word}：{why}")
}

/// What the record is not signed for.
pub(in crate::ui) const NOBODY_ASKED: Say =
    say("nobody was asked to sign it", "没有要求任何人签名");

/// `unsigned: no SSH key is at hand`
pub(in crate::ui) fn unsigned(lang: Lang, why: Option<&SafeText>) -> String {
    let why = why.map_or(NOBODY_ASKED.to(lang), SafeText::as_str);
    both!(lang, "unsigned: {why}", "未签名：{why}")
}
