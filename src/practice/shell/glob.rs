//! `*`, `?` and `[…]` as in file names.

/// Whether `text` is matched by `pattern`. A backslash takes the next character as it is.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None; // After the last `*`, and where it may grow to.
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            back = Some((p + 1, t));
            p += 1;
            continue;
        }
        if let Some(next) = one(&pattern, p, text.get(t).copied()) {
            p = next;
            t += 1;
            continue;
        }
        let Some((after, from)) = back else { return false };
        back = Some((after, from + 1));
        (p, t) = (after, from + 1);
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

/// If the pattern's item at `at` matches `c`, where the next item begins.
fn one(pattern: &[char], at: usize, c: Option<char>) -> Option<usize> {
    let c = c?;
    match pattern.get(at)? {
        '?' => Some(at + 1),
        '\\' => match pattern.get(at + 1) {
            Some(literal) => (*literal == c).then_some(at + 2),
            None => (c == '\\').then_some(at + 1),
        },
        '[' => match set(pattern, at, c) {
            Set::Holds(next) => Some(next),
            Set::Lacks => None,
            Set::IsNone => (c == '[').then_some(at + 1),
        },
        literal => (*literal == c).then_some(at + 1),
    }
}

/// What `[a-z]` says to a character.
enum Set {
    /// It is one of them; the next item begins here.
    Holds(usize),
    Lacks,
    /// This is no set, just a bracket.
    IsNone,
}

fn set(pattern: &[char], at: usize, c: char) -> Set {
    let mut i = at + 1;
    let negated = matches!(pattern.get(i), Some('!' | '^'));
    if negated {
        i += 1;
    }
    let first = i;
    let mut found = false;
    loop {
        let Some(low) = pattern.get(i).copied() else { return Set::IsNone };
        if low == ']' && i > first {
            return if found == negated { Set::Lacks } else { Set::Holds(i + 1) };
        }
        let ranged = pattern.get(i + 1) == Some(&'-');
        if let Some(high) = pattern.get(i + 2).filter(|high| ranged && **high != ']') {
            found |= (low..=*high).contains(&c);
            i += 3;
        } else {
            found |= low == c;
            i += 1;
        }
    }
}

/// `text` so that [`matches()`] takes all of it as it is.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{escape, matches};

    #[test]
    fn patterns_match() {
        for (pattern, text, is) in [
            ("*.log", "app.log", true),
            ("*.log", "app.txt", false),
            ("a?c", "abc", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("*a*b*c*", "xxaxxbxxc", true),
            ("[", "[", true),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, text), is, "{pattern} {text}");
        }
        assert!(matches(&escape("[*]?\\"), "[*]?\\"));
        let slow = "*a".repeat(50);
        assert!(!matches(&slow, &"a".repeat(49)));
    }
}
