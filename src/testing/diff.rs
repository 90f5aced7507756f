//! A line diff, for the messages of failed assertions.

/// Limit on the size of the table that finds common lines: the product of the two lengths. If the table would be larger, the
/// differing parts are printed without looking for common lines.
const MANY_PAIRS: usize = 4_000_000;

/// Prints both lists as one: `-` marks lines that are only in `expected`, `+` lines that are only in `actual`. After each
/// line of `actual`, prints what `note` returns for the index of the line.
pub(super) fn diff(
    expected: &[String],
    actual: &[String],
    note: impl Fn(usize) -> String,
) -> String {
    let mut text = String::new();
    let mut print = |sign: char, line: &str, note: &str| {
        let line = format!("  {sign} {line:<30} {note}");
        text.push_str(line.trim_end());
        text.push('\n');
    };
    // Most failed assertions differ in one place: skip the common start and end first.
    let start = alike(expected.iter().zip(actual));
    let rests = expected[start..].iter().rev().zip(actual[start..].iter().rev());
    let end = alike(rests);
    let (left_end, right_end) = (expected.len() - end, actual.len() - end);
    let common = common(&expected[start..left_end], &actual[start..right_end]);

    let same = |place: usize| (' ', &actual[place], note(place));
    (0..start).map(same).for_each(|(sign, line, note)| print(sign, line, &note));
    let (mut left, mut right) = (start, start);
    while left < left_end || right < right_end {
        let rest = |left: usize, right: usize| {
            common.as_ref().map_or(0, |table| table[left - start][right - start])
        };
        let both = left < left_end && right < right_end;
        if both && expected[left] == actual[right] && common.is_some() {
            print(' ', &actual[right], &note(right));
            (left, right) = (left + 1, right + 1);
        } else if right == right_end
            || left < left_end && rest(left + 1, right) >= rest(left, right + 1)
        {
            print('-', &expected[left], "");
            left += 1;
        } else {
            print('+', &actual[right], &note(right));
            right += 1;
        }
    }
    (right_end..actual.len()).map(same).for_each(|(sign, line, note)| print(sign, line, &note));
    text
}

/// Counts the pairs of equal lines before the first pair that differs.
fn alike<'a>(pairs: impl Iterator<Item = (&'a String, &'a String)>) -> usize {
    pairs.take_while(|(a, b)| a == b).count()
}

/// Returns the length of the longest common subsequence of `a[i..]` and `b[j..]`, for each `i` and `j`,
/// or `None` if the table would be too large.
fn common(a: &[String], b: &[String]) -> Option<Vec<Vec<usize>>> {
    if a.len().saturating_mul(b.len()) > MANY_PAIRS {
        return None;
    }
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            table[i][j] = if a[i] == b[j] {
                table[i + 1][j + 1] + 1
            } else {
                table[i + 1][j].max(table[i][j + 1])
            };
        }
    }
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::{MANY_PAIRS, diff};

    fn lines(expected: &[&str], actual: &[&str]) -> Vec<String> {
        let [expected, actual] = [expected, actual]
            .map(|lines| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>());
        let text = diff(&expected, &actual, |_| String::new());
        text.lines().map(|line| line.trim_start().to_owned()).collect()
    }

    #[test]
    fn replaced_line() {
        let seen = lines(&["a", "b", "c"], &["a", "x", "c"]);
        assert_eq!(seen, ["a", "- b", "+ x", "c"]);
    }

    #[test]
    fn extra_and_missing_lines() {
        assert_eq!(lines(&["a", "c"], &["a", "b", "c"]), ["a", "+ b", "c"]);
        assert_eq!(lines(&["a", "b", "c"], &["a", "c"]), ["a", "- b", "c"]);
        assert_eq!(lines(&[], &["a"]), ["+ a"]);
        assert_eq!(lines(&["a"], &[]), ["- a"]);
    }

    #[test]
    fn swapped_lines() {
        assert_eq!(lines(&["a", "b"], &["b", "a"]), ["- a", "b", "+ a"]);
    }

    /// Prints all expected lines, then all actual ones, between the common ends.
    #[test]
    fn too_large_to_compare() {
        let inner = |first: &str| {
            let mut lines = vec!["start".to_owned(), first.to_owned()];
            lines.extend((0..MANY_PAIRS.isqrt()).map(|number| number.to_string()));
            lines.extend([first.to_owned(), "end".to_owned()]);
            lines
        };
        let (expected, actual) = (inner("a"), inner("b"));
        let text = diff(&expected, &actual, |place| place.to_string());
        let signs: String = text.lines().filter_map(|line| line.chars().nth(2)).collect();
        let many = expected.len() - 2;
        assert_eq!(signs, format!(" {}{} ", "-".repeat(many), "+".repeat(many)));
        assert!(text.ends_with(&format!("{:<30} {}\n", "end", actual.len() - 1)), "{text}");
    }
}
