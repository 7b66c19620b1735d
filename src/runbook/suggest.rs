//! "Did you mean": the nearest known name.

/// The known name nearest to `wrong`, if one is near enough to be meant.
pub fn nearest<'a, I>(wrong: &str, known: I) -> Option<&'a str>
where
    I: IntoIterator<Item = &'a str>,
{
    let allowed = (wrong.chars().count() / 3).clamp(1, 4);
    known
        .into_iter()
        .map(|name| (distance(wrong, name), name))
        .filter(|(distance, name)| *distance <= allowed && *name != wrong)
        .min()
        .map(|(_, name)| name)
}

fn distance(wrong: &str, name: &str) -> usize {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    if wrong.len() > 200 {
        return usize::MAX;
    }
    strsim::damerau_levenshtein(&plain(wrong), &plain(name))
}

/// "did you mean `x`?", or the names there are, or `otherwise` if there are none.
pub fn help<'a, I>(wrong: &str, known: I, otherwise: &str) -> String
where
    I: IntoIterator<Item = &'a str> + Clone,
{
    if let Some(name) = nearest(wrong, known.clone()) {
        return format!("did you mean `{name}`?");
    }
    let mut names: Vec<String> = Vec::new();
    for name in known {
        let name = format!("`{name}`");
        if names.len() < 9 && !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        otherwise.to_owned()
    } else if names.len() > 8 {
        format!("there are {}, …", names.get(..8).unwrap_or_default().join(", "))
    } else {
        format!("there is {}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::{help, nearest};

    #[test]
    fn only_what_is_near_is_meant() {
        let known = ["timeout", "title", "needs", "point_of_no_return"];
        assert_eq!(nearest("timout", known), Some("timeout"));
        assert_eq!(nearest("Title", known), Some("title"));
        assert_eq!(nearest("point-of-no-return", known), Some("point_of_no_return"));
        assert_eq!(nearest("zebra", known), None);
        assert_eq!(help("x", ["web1", "web2"], ""), "there is `web1`, `web2`");
        assert_eq!(help("x", ["web1", "web1"], ""), "there is `web1`");
    }
}
