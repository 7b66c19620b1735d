//! What golive does itself, and what a comparison found. The English words are the runbook's own.

use crate::base::Millis;
use crate::engine::{Outcome, Reconciled};
use crate::plan::BatchPlan;
use crate::runbook::{
    Builtin, Compare, Content, ContentFile, Download, Given, Http, Reconcile, Tolerance, Upload,
    size, stands_for,
};

use super::{Lang, Say, label, say};

/// What the key bar says that `y` does.
pub(in crate::ui) const fn verb<T>(builtin: &Builtin<T>) -> Say {
    match builtin {
        Builtin::Upload(_) => say("upload", "上传"),
        Builtin::Download(_) => say("download", "下载"),
        Builtin::Http(_) => say("http", "发 HTTP"),
        Builtin::Reconcile(_) => say("reconcile", "比对"),
    }
}

/// What it does, fact by fact. Never the value of a secret.
pub(in crate::ui) fn facts(lang: Lang, builtin: &Builtin<String>) -> Vec<(Say, String)> {
    match builtin {
        Builtin::Upload(upload) => self::upload(lang, upload),
        Builtin::Download(download) => self::download(lang, download),
        Builtin::Http(http) => self::http(lang, http),
        Builtin::Reconcile(reconcile) => {
            let [left, right] = reconcile.sides();
            let side = |(_, side): (&str, &crate::runbook::Side<String>)| {
                format!("{}: {}", side.on, side.run.trim_end())
            };
            vec![
                (label::LEFT, side(left)),
                (label::RIGHT, side(right)),
                (label::COMPARE, how(lang, reconcile)),
            ]
        }
    }
}

fn upload(lang: Lang, upload: &Upload<String>) -> Vec<(Say, String)> {
    let mut facts = vec![(label::UPLOAD, upload.from.clone()), (label::TO, upload.to.clone())];
    if let Some(content) = &upload.content {
        facts.push((label::SIZE, self::content(lang, content)));
        facts.push((label::SHA_256, content.digest().to_string()));
    } else if let Some(digest) = &upload.sha256 {
        let said = both!(lang, "{digest}, or it is not sent", "{digest}，不符则不发送");
        facts.push((label::SHA_256, said));
    }
    let mode = match (upload.mode, upload.content.as_deref().map(|it| it.files.as_slice())) {
        (Some(mode), _) => format!("{mode:04o}"),
        (None, Some([ContentFile { mode, .. }])) => {
            both!(lang, "{mode:04o}, as here", "{mode:04o}，与本机相同")
        }
        (None, _) => say("as here", "与本机相同").own(lang),
    };
    facts.push((label::MODE, mode));
    facts
}

fn download(lang: Lang, download: &Download<String>) -> Vec<(Say, String)> {
    let name = download.name();
    let to = both!(lang, "the evidence of this session, as {name}", "本会话的证据，名为 {name}");
    vec![(label::DOWNLOAD, download.from.clone()), (label::TO, to)]
}

fn http(lang: Lang, http: &Http<String>) -> Vec<(Say, String)> {
    let shown = |given: &Given<String>| match given {
        Given::Text(text) => text.clone(),
        Given::Secret(name) => stands_for(name),
    };
    let mut facts = vec![(label::HTTP, format!("{} {}", http.method, http.url))];
    if let Some(secret) = &http.ask.bearer {
        facts.push((label::HEADER, format!("authorization: Bearer {}", stands_for(secret))));
    }
    for (name, value) in &http.ask.headers {
        facts.push((label::HEADER, format!("{name}: {}", shown(value))));
    }
    facts.extend(http.body.as_ref().map(|body| (label::BODY, shown(body))));
    facts.push((label::PASS, format!("HTTP {}{}", expected(lang, http), body(lang, http))));
    facts
}

/// The statuses that count as done.
fn expected(lang: Lang, http: &Http<String>) -> String {
    match lang {
        Lang::En => http.expected(),
        Lang::Zh if http.expect_status.is_empty() => "2xx".to_owned(),
        Lang::Zh => {
            let all: Vec<_> = http.expect_status.iter().map(ToString::to_string).collect();
            all.join(" 或 ")
        }
    }
}

fn body(lang: Lang, http: &Http<String>) -> String {
    let matches = |it: &String| both!(lang, ", body matches /{it}/", "，正文匹配 /{it}/");
    http.expect_body.as_ref().map(matches).unwrap_or_default()
}

/// What is asked, and what has to be answered, in one line.
pub(in crate::ui) fn answers(lang: Lang, http: &Http<String>) -> String {
    let (method, url) = (&http.method, &http.url);
    let (expected, body) = (expected(lang, http), body(lang, http));
    both!(
        lang,
        "{method} {url} answers HTTP {expected}{body}",
        "{method} {url} 应答 HTTP {expected}{body}"
    )
}

fn content(lang: Lang, content: &Content) -> String {
    let (bytes, files) = (size(content.bytes()), content.files.len());
    match lang {
        Lang::Zh if content.is_folder => format!("目录，{files} 个文件，{bytes}"),
        Lang::En | Lang::Zh => content.words(),
    }
}

/// It in one line.
pub(in crate::ui) fn brief(lang: Lang, builtin: &Builtin<String>) -> String {
    match (lang, builtin) {
        (Lang::Zh, Builtin::Upload(Upload { from, to, .. })) => format!("上传 {from} 到 {to}"),
        (Lang::Zh, Builtin::Download(Download { from, .. })) => format!("下载 {from}"),
        (Lang::Zh, Builtin::Reconcile(reconcile)) => compares(lang, reconcile),
        (Lang::En, _) | (Lang::Zh, Builtin::Http(_)) => builtin.brief(),
    }
}

/// A comparison in one line.
pub(in crate::ui) fn compares(lang: Lang, reconcile: &Reconcile<String>) -> String {
    if lang == Lang::En {
        return reconcile.brief();
    }
    let [left, right] =
        reconcile.sides().map(|(_, side)| format!("{}: {}", side.on, side.run.trim()));
    format!("{left} 对比 {right} ({})", how(lang, reconcile))
}

fn how(lang: Lang, reconcile: &Reconcile<String>) -> String {
    let near = match (lang, &reconcile.tolerance) {
        (Lang::En, _) => return reconcile.how(),
        (Lang::Zh, Tolerance::None) => "不容差".to_owned(),
        (Lang::Zh, Tolerance::Absolute(limit)) => format!("容差 {limit}"),
        (Lang::Zh, Tolerance::Percent(limit)) => format!("容差 {limit} %"),
    };
    match reconcile.compare {
        Compare::Exact => "逐字节".to_owned(),
        Compare::Numeric => format!("按数值，{near}"),
        Compare::Rows => format!("按行，{near}"),
    }
}

/// The waves in one line.
pub(in crate::ui) fn batch(lang: Lang, batch: &BatchPlan) -> String {
    if lang == Lang::En {
        return batch.words();
    }
    let sizes: Vec<_> = batch.waves.iter().map(|wave| wave.len().to_string()).collect();
    let between = match (batch.ask, batch.pause) {
        (true, _) => "，每批之后由您放行".to_owned(),
        (false, Millis::ZERO) => String::new(),
        (false, pause) => format!("，间隔 {pause}"),
    };
    let stops = batch.max_failures + 1;
    format!("{} 批，各 {} 台{between}，失败 {stops} 台即停", sizes.len(), sizes.join("、"))
}

/// What a comparison found, in one line.
pub(in crate::ui) fn reconciled(lang: Lang, found: &Reconciled) -> String {
    if lang == Lang::En {
        return found.words();
    }
    let unit = match found.compare {
        Compare::Exact | Compare::Rows => "行",
        Compare::Numeric => "个数值",
    };
    match &found.outcome {
        Outcome::Unknown { why } => format!("未能比对：{why}"),
        Outcome::Equal if found.within == 0 => format!("{} {unit}一致", found.count),
        Outcome::Equal => {
            format!("{} {unit}一致，其中 {} {unit}在容差之内", found.count, found.within)
        }
        Outcome::Differs => {
            let sides =
                [(found.only_left, &found.left.host), (found.only_right, &found.right.host)];
            let only = sides.into_iter().filter(|(count, _)| *count > 0);
            let only = only.map(|(count, host)| format!("，{count} {unit}只在 {host}"));
            format!(
                "{} {unit}中 {} {unit}不一致{}",
                found.count,
                found.differ,
                only.collect::<String>()
            )
        }
    }
}

/// What was read where, how, and how long it took.
pub(in crate::ui) fn read(lang: Lang, found: &Reconciled, spent: Millis) -> String {
    let side = |side: &crate::engine::SideRead| format!("{} {} B", side.host, side.bytes);
    let (left, right, how) = (side(&found.left), side(&found.right), &found.how);
    both!(
        lang,
        "  {left} against {right}, {how}, after {spent}",
        "  {left} 对比 {right}，{how}，用时 {spent}"
    )
}

/// The head of a table of differences.
fn table_head(lang: Lang, found: &Reconciled) -> [String; 4] {
    if lang == Lang::En {
        return found.head();
    }
    let what = match found.compare {
        Compare::Exact | Compare::Rows => "行",
        Compare::Numeric => "数值",
    };
    let side = |name: &str, side: &crate::engine::SideRead| format!("{name} {}", side.host);
    [what.to_owned(), side("左侧", &found.left), side("右侧", &found.right), "相差".to_owned()]
}

pub(in crate::ui) fn more_in_pane(lang: Lang, n: usize) -> String {
    let rows = super::counted(lang, n, ("row", "rows"), "行");
    both!(lang, "  and {rows} more in the step's own pane", "  另有 {rows}，见步骤面板")
}

/// The table of differences, its head first.
pub(in crate::ui) fn table(lang: Lang, found: &Reconciled, width: usize) -> Vec<String> {
    let none = say("(none)", "(无)").to(lang);
    let more = |more: u64| both!(lang, "and {more} more", "另有 {more}");
    found.lines_in(width, &table_head(lang, found), none, more)
}
