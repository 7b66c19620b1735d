//! `include`: the files that a runbook takes snippets from, read before anything else of it.
//!
//! A path counts from the folder of the file that names it, and stays inside the runbook's own
//! folder: what is pinned with a session can be pinned whole.

use toml::de::DeTable;

use super::code::Code;
use super::load::FILE_BYTES_MAX;
use super::problem::{Place, Problem, SourceFile};

/// More files are another kind of tool.
const FILES_MAX: usize = 64;

/// The included files, each once, in the order in which they are named.
pub(super) fn gather(
    main: &SourceFile,
    read: &mut dyn FnMut(&str) -> Result<SourceFile, String>,
) -> (Vec<SourceFile>, Vec<Problem>) {
    let mut gathering =
        Gathering { read, files: Vec::new(), bytes: main.text.len(), problems: Vec::new() };
    gathering.of(main, "", &mut Vec::new());
    (gathering.files.into_iter().map(|(_, source)| source).collect(), gathering.problems)
}

struct Gathering<'r> {
    read: &'r mut dyn FnMut(&str) -> Result<SourceFile, String>,
    /// By their path from the runbook's folder.
    files: Vec<(String, SourceFile)>,
    bytes: usize,
    problems: Vec<Problem>,
}

impl Gathering<'_> {
    /// Takes in what `source` includes; `folder` is where it lies, `way` the files that led here.
    fn of(&mut self, source: &SourceFile, folder: &str, way: &mut Vec<String>) {
        let (document, _) = DeTable::parse_recoverable(&source.text);
        let Some(list) = document.get_ref().get("include") else { return };
        let one = || std::slice::from_ref(list).iter();
        let items = list.get_ref().as_array().map_or_else(one, |array| array.iter());
        for item in items {
            let Some(written) = item.get_ref().as_str() else { continue };
            let place = source.place(&item.span());
            let Some(path) = inside(folder, written) else {
                let message = format!("`{written}` is not inside the folder of the runbook");
                let help =
                    "write a path without `..` at its start; it counts from this file's folder";
                self.say(Code::BadValue, place, &message, help);
                continue;
            };
            self.one(path, place, way);
        }
    }

    fn one(&mut self, path: String, place: Place, way: &mut Vec<String>) {
        if let Some(at) = way.iter().position(|it| *it == path) {
            let circle: Vec<_> = way.iter().skip(at).chain([&path]).map(String::as_str).collect();
            let message = format!("files include each other in a circle: {}", circle.join(" → "));
            self.say(Code::Contradiction, place, &message, "remove one of these includes");
            return;
        }
        if self.files.iter().any(|(known, _)| *known == path) {
            return;
        }
        if self.files.len() >= FILES_MAX {
            let message = format!("more than {FILES_MAX} included files");
            self.say(Code::Limit, place, &message, "join some of them");
            return;
        }
        let source = match (self.read)(&path) {
            Ok(source) => source,
            Err(reason) => {
                let message = format!("the included file `{path}` cannot be read: {reason}");
                let help = "the path counts from the folder of the file that includes it";
                self.say(Code::UnreadableFile, place, &message, help);
                return;
            }
        };
        self.bytes += source.text.len();
        if self.bytes > FILE_BYTES_MAX {
            let message = format!(
                "the runbook and its included files have {} bytes; the limit is {FILE_BYTES_MAX}",
                self.bytes
            );
            self.say(Code::Limit, place, &message, "move long commands into scripts");
            return;
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        self.files.push((path.clone(), source.clone()));
        way.push(path);
        self.of(&source, &folder, way);
        way.pop();
    }

    fn say(&mut self, code: Code, place: Place, message: &str, help: &str) {
        self.problems.push(Problem::new(code, place, message).label("included here").help(help));
    }
}

/// `written` as a path from the runbook's folder; none if it leads out of it.
fn inside(folder: &str, written: &str) -> Option<String> {
    if written.starts_with('/') || written.trim().is_empty() {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in written.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::inside;

    #[test]
    fn a_path_stays_inside_the_folder_of_the_runbook() {
        assert_eq!(inside("", "a/b.toml").as_deref(), Some("a/b.toml"));
        assert_eq!(inside("a", "../c.toml").as_deref(), Some("c.toml"));
        assert_eq!(inside("a", "./d//e.toml").as_deref(), Some("a/d/e.toml"));
        for (folder, out) in
            [("", "../x"), ("a", "../../x"), ("", "/etc/passwd"), ("", " "), ("", ".")]
        {
            assert_eq!(inside(folder, out), None, "{folder} {out}");
        }
    }
}
