//! `$((…))`: whole numbers.

/// Nesting beyond this is refused.
const DEPTH_MAX: u32 = 32;

/// The value of `text`; names are looked up with `value`.
pub(super) fn evaluate(text: &str, value: &dyn Fn(&str) -> i64) -> Result<i64, String> {
    let mut sum = Sum { text: text.chars().collect(), at: 0, depth: 0, value };
    let result = sum.level(0)?;
    sum.blanks();
    match sum.peek() {
        None => Ok(result),
        Some(c) => Err(format!("arithmetic: unexpected `{c}`")),
    }
}

struct Sum<'a> {
    text: Vec<char>,
    at: usize,
    depth: u32,
    value: &'a dyn Fn(&str) -> i64,
}

/// Operators from the loosest to the tightest.
const LEVELS: [&[&str]; 6] =
    [&["||"], &["&&"], &["==", "!="], &["<=", ">=", "<", ">"], &["+", "-"], &["*", "/", "%"]];

impl Sum<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn eat(&mut self, what: &str) -> bool {
        self.blanks();
        let there = what.chars().enumerate().all(|(i, c)| self.text.get(self.at + i) == Some(&c));
        if there {
            self.at += what.len();
        }
        there
    }

    fn level(&mut self, level: usize) -> Result<i64, String> {
        let Some(operators) = LEVELS.get(level) else { return self.atom() };
        let mut left = self.level(level + 1)?;
        loop {
            let Some(operator) = operators.iter().find(|it| self.eat(it)) else {
                return Ok(left);
            };
            let right = self.level(level + 1)?;
            left = apply(operator, left, right)?;
        }
    }

    fn atom(&mut self) -> Result<i64, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("arithmetic: nested too deeply".to_owned());
        }
        let value = if self.eat("(") {
            let value = self.level(0)?;
            if !self.eat(")") {
                return Err("arithmetic: `)` expected".to_owned());
            }
            value
        } else if self.eat("-") {
            self.atom()?.wrapping_neg()
        } else if self.eat("+") {
            self.atom()?
        } else if self.eat("!") {
            i64::from(self.atom()? == 0)
        } else {
            self.number_or_name()?
        };
        self.depth -= 1;
        Ok(value)
    }

    fn number_or_name(&mut self) -> Result<i64, String> {
        self.blanks();
        self.eat("$");
        let mut word = String::new();
        while let Some(c) = self.peek().filter(|c| c.is_ascii_alphanumeric() || *c == '_') {
            word.push(c);
            self.at += 1;
        }
        if word.is_empty() {
            return Err("arithmetic: a number or a name expected".to_owned());
        }
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return word.parse().map_err(|_| format!("arithmetic: `{word}` is not a number"));
        }
        Ok((self.value)(&word))
    }
}

fn apply(operator: &str, left: i64, right: i64) -> Result<i64, String> {
    let zero = || "arithmetic: division by zero".to_owned();
    Ok(match operator {
        "||" => i64::from(left != 0 || right != 0),
        "&&" => i64::from(left != 0 && right != 0),
        "==" => i64::from(left == right),
        "!=" => i64::from(left != right),
        "<=" => i64::from(left <= right),
        ">=" => i64::from(left >= right),
        "<" => i64::from(left < right),
        ">" => i64::from(left > right),
        "+" => left.wrapping_add(right),
        "-" => left.wrapping_sub(right),
        "*" => left.wrapping_mul(right),
        "/" => left.checked_div(right).ok_or_else(zero)?,
        _ => left.checked_rem(right).ok_or_else(zero)?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::evaluate;

    #[test]
    fn sums() {
        let value = |name: &str| if name == "x" { 7 } else { 0 };
        for (text, result) in [
            ("1 + 2 * 3", 7),
            ("(1 + 2) * 3", 9),
            ("x % 4 == 3 && y == 0", 1),
            ("-x + $x", 0),
            ("10 / 3", 3),
            ("!0", 1),
            ("2 <= 2", 1),
        ] {
            assert_eq!(evaluate(text, &value), Ok(result), "{text}");
        }
        for bad in ["1 / 0", "", "1 +", "1 2", "(1", "9999999999999999999", &"(".repeat(99)] {
            assert!(evaluate(bad, &value).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_sum_makes_it_panic(text in "[-+*/%()<>=!&|0-9x $]{0,40}") {
            let _kept = evaluate(&text, &|_| i64::MIN);
        }
    }
}
