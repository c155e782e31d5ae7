//! Lines of a function's `config` in its source, where they can be told without running it.

use super::FunctionProblem;

/// One key of `config` in two spellings: both with their lines, since one of them was not meant.
pub(super) fn twice(
    source: &str,
    function: &str,
    entry: &str,
    [one, other]: [String; 2],
) -> FunctionProblem {
    let place = |key: &str| match line_of(source, key) {
        Some(line) => format!("`{key}` in line {line}"),
        None => format!("`{key}`"),
    };
    FunctionProblem::Value {
        function: function.to_owned(),
        entry: entry.to_owned(),
        why: format!(
            "is given twice, as {} and as {}",
            place(&one),
            place(&other)
        ),
        key: one,
        hint: Some("keep one of the two".to_owned()),
    }
}

/// The line, from 1, of the only place where a text has a word. `None` if there are several places.
fn line_of(source: &str, word: &str) -> Option<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let words = |line: &str| {
        line.split(|c| !is_part(c))
            .filter(|part| *part == word)
            .count()
    };
    let mut lines = source
        .lines()
        .enumerate()
        .filter(|(_, line)| words(line) > 0);
    let (line, text) = lines.next()?;
    (lines.next().is_none() && words(text) == 1).then_some(line + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_reported_only_if_the_key_occurs_once() {
        let source = "a({\n  maxInstances: 1,\n  max_instances: 2, xmax_instances: 3,\n});";
        assert_eq!(line_of(source, "maxInstances"), Some(2));
        assert_eq!(line_of(source, "max_instances"), Some(3));
        assert_eq!(line_of("x\nx", "x"), None);
        assert_eq!(line_of("x x", "x"), None);
        assert_eq!(line_of("", "x"), None);
    }
}
