//! How the terminal wants to be drawn on: colours, glyphs and the language, from what the
//! environment says.

use crate::ui::{Depth, GlyphSet, Lang, Theme};

/// What the environment says about the terminal. The command line reads it; this decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// `--color`: some of `always`, `never`; none is `auto`.
    pub color: Option<bool>,
    /// `--ascii`.
    pub ascii: bool,
    /// `NO_COLOR` is set and not empty.
    pub no_color: bool,
    /// `TERM`.
    pub term: String,
    /// `COLORTERM`.
    pub colorterm: String,
    /// `LC_ALL`, else `LC_CTYPE`, else `LANG`.
    pub locale: String,
    /// `--lang`; none is `auto`.
    pub lang: Option<Lang>,
    /// `LC_ALL`, else `LC_MESSAGES`, else `LANG`.
    pub messages: String,
}

impl Look {
    /// The language: the one that was asked for, else that of the locale, where the terminal can
    /// show it.
    pub fn lang(&self) -> Lang {
        let shows = !matches!(self.term.as_str(), "linux" | "dumb");
        let of_locale = if shows { Lang::of_locale(&self.messages) } else { Lang::En };
        self.lang.unwrap_or(of_locale)
    }

    /// The theme for such a terminal (CONSOLE.md 3.1, order of decision).
    pub fn theme(&self) -> Theme {
        let wanted = self.color.unwrap_or(!self.no_color);
        let depth = if !wanted || self.term == "dumb" {
            Depth::Mono
        } else if matches!(self.colorterm.as_str(), "truecolor" | "24bit") {
            Depth::TrueColor
        } else if self.term.contains("256color") {
            Depth::Ansi256
        } else {
            Depth::Ansi16
        };
        let locale = self.locale.to_ascii_lowercase();
        let utf8 = locale.contains("utf-8") || locale.contains("utf8");
        let plain = self.ascii || !utf8 || matches!(self.term.as_str(), "linux" | "dumb");
        let glyphs = if plain { GlyphSet::Ascii } else { GlyphSet::Unicode };
        Theme { depth, glyphs }
    }
}

#[cfg(test)]
mod tests {
    use super::{Depth, GlyphSet, Lang, Look};

    #[test]
    fn the_locale_chooses_the_language_and_a_flag_wins() {
        let look = |term: &str, messages: &str, lang| {
            let (term, messages) = (term.to_owned(), messages.to_owned());
            Look { term, lang, messages, ..Look::default() }.lang()
        };
        assert_eq!(look("xterm", "zh_CN.UTF-8", None), Lang::Zh);
        assert_eq!(look("linux", "zh_CN.UTF-8", None), Lang::En, "it has no such letters");
        assert_eq!(look("xterm", "en_US.UTF-8", None), Lang::En);
        assert_eq!(look("xterm", "en_US.UTF-8", Some(Lang::Zh)), Lang::Zh);
        assert_eq!(look("xterm", "zh_CN.UTF-8", Some(Lang::En)), Lang::En);
    }

    #[test]
    fn the_environment_decides() {
        let look = |term: &str, colorterm: &str, no_color, color| Look {
            color,
            no_color,
            term: term.to_owned(),
            colorterm: colorterm.to_owned(),
            locale: "C.UTF-8".to_owned(),
            ..Look::default()
        };
        let depth =
            |term, colorterm, no_color, color| look(term, colorterm, no_color, color).theme().depth;
        assert_eq!(depth("xterm-256color", "truecolor", false, None), Depth::TrueColor);
        assert_eq!(depth("xterm-256color", "", false, None), Depth::Ansi256);
        assert_eq!(depth("xterm", "", false, None), Depth::Ansi16);
        assert_eq!(depth("xterm", "truecolor", true, None), Depth::Mono);
        assert_eq!(depth("xterm", "truecolor", true, Some(true)), Depth::TrueColor, "a flag wins");
        assert_eq!(depth("xterm", "truecolor", false, Some(false)), Depth::Mono);
        assert_eq!(look("xterm", "", false, None).theme().glyphs, GlyphSet::Unicode);
        assert_eq!(look("linux", "", false, None).theme().glyphs, GlyphSet::Ascii);
        let latin =
            Look { locale: "de_DE.ISO-8859-1".to_owned(), ..look("xterm", "", false, None) };
        assert_eq!(latin.theme().glyphs, GlyphSet::Ascii);
    }
}
